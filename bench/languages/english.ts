import { pick } from '../texts.ts'
import { forms, type Known, scene } from './known.ts'

const names = 'Anna George Clara Bernard Edith Gilbert Helen Luke Sarah Matthew Judith Roger Ellen Thomas Frida Oscar Greta Walter'.split(' ')
const places = 'harbour market station garden forest cellar shop park yard hall tower stable'.split(' ')
const things = forms(
  'box/boxes house/houses book/books apple/apples chair/chairs lamp/lamps flower/flowers knife/knives letter/letters key/keys suitcase/suitcases coat/coats newspaper/newspapers bill/bills bicycle/bicycles picture/pictures glass/glasses dog/dogs cat/cats bird/birds table/tables shoe/shoes dress/dresses cake/cakes bottle/bottles card/cards watch/watches carpet/carpets tool/tools present/presents plant/plants blanket/blankets cup/cups basket/baskets ball/balls fence/fences wagon/wagons boat/boats shirt/shirts drawing/drawings',
)
const qualities = 'red green blue small heavy light old new broken expensive cheap dirty clean round long short wide narrow white colourful'.split(' ')
// past, infinitive, gerund
const deeds = forms(
  'sold/sell/selling bought/buy/buying found/find/finding repaired/repair/repairing searched/search/searching painted/paint/painting lost/lose/losing showed/show/showing opened/open/opening hid/hide/hiding cleaned/clean/cleaning traded/trade/trading packed/pack/packing ordered/order/ordering photographed/photograph/photographing carried/carry/carrying measured/measure/measuring described/describe/describing',
)
const times = ['yesterday', 'on Monday', 'last week', 'this morning', 'in summer', 'three days ago', 'in the evening', 'in January']

export const english: Known = (random) => {
  const [name, other, place, thing, quality, deed] = scene(random, names, places, things, qualities, deeds)
  const [second, done] = [pick(random, things), pick(random, deeds)]
  const text = pick(random, [
    `${name} ${deed[0]} the ${quality} ${thing[1]} at the ${place} ${pick(random, times)}, and ${other} ${done[0]} some ${second[1]}.`,
    `At the ${place} ${name} was ${deed[2]} three ${quality} ${thing[1]} ${pick(random, times)}. Later ${other} ${done[0]} a ${second[0]}.`,
    `We ${deed[0]} the ${quality} ${thing[1]} with ${name}, because ${other} had no ${second[1]} at the ${place}.`,
  ])
  const query = pick(random, [
    `Who wanted to ${deed[1]} a ${quality} ${thing[0]} at the ${place}?`,
    `${deed[2]} ${quality} ${thing[0]} ${place}`,
    `What did ${name} do with the ${quality} ${thing[0]} at the ${place}?`,
    `${name} ${deed[1]} ${thing[0]}`,
  ])
  return { text, query }
}
