import { pick } from '../texts.ts'
import { forms, type Known, scene } from './known.ts'

const names = 'Anna Jürgen Klara Bernd Ute Günther Heike Lukas Sabine Matthias Jutta Rüdiger Elke Thomas Frieda Oskar Greta Wolfgang'.split(' ')
const places = forms('Hafen/Häfen Markt/Märkte Bahnhof/Bahnhöfe Garten/Gärten Wald/Wälder Keller/Keller Laden/Läden Park/Parks Hof/Höfe Saal/Säle Turm/Türme Stall/Ställe')
const things = forms(
  'Kiste/Kisten Haus/Häuser Buch/Bücher Apfel/Äpfel Stuhl/Stühle Lampe/Lampen Blume/Blumen Messer/Messer Brief/Briefe Schlüssel/Schlüssel Koffer/Koffer Mantel/Mäntel Zeitung/Zeitungen Rechnung/Rechnungen Fahrrad/Fahrräder Bild/Bilder Glas/Gläser Hund/Hunde Katze/Katzen Vogel/Vögel Tisch/Tische Schuh/Schuhe Kleid/Kleider Kuchen/Kuchen Flasche/Flaschen Karte/Karten Uhr/Uhren Teppich/Teppiche Werkzeug/Werkzeuge Geschenk/Geschenke Pflanze/Pflanzen Decke/Decken Tasse/Tassen Korb/Körbe Ball/Bälle Zaun/Zäune Wagen/Wagen Boot/Boote Hemd/Hemden Zeichnung/Zeichnungen',
)
const qualities = 'rot grün blau klein schwer leicht alt neu kaputt teuer billig schmutzig sauber rund lang kurz breit schmal weiß bunt'.split(' ')
// participle, infinitive, preterite
const deeds = forms(
  'verkauft/verkaufen/verkaufte gekauft/kaufen/kaufte gefunden/finden/fand repariert/reparieren/reparierte gesucht/suchen/suchte bemalt/bemalen/bemalte verloren/verlieren/verlor gezeigt/zeigen/zeigte geöffnet/öffnen/öffnete versteckt/verstecken/versteckte gereinigt/reinigen/reinigte getauscht/tauschen/tauschte verpackt/verpacken/verpackte bestellt/bestellen/bestellte fotografiert/fotografieren/fotografierte getragen/tragen/trug gemessen/messen/maß beschrieben/beschreiben/beschrieb',
)
const times = ['gestern', 'am Montag', 'letzte Woche', 'heute früh', 'im Sommer', 'vor drei Tagen', 'am Abend', 'im Januar']
const inflected = (quality: string, ending: string) => (quality === 'teuer' ? `teur${ending}` : `${quality}${ending}`)

const dative = (plural = '') => (/[ns]$/.test(plural) ? plural : `${plural}n`)

export const german: Known = (random) => {
  const [name, other, place, thing, quality, deed] = scene(random, names, places, things, qualities, deeds)
  const [second, done] = [pick(random, things), pick(random, deeds)]
  const text = pick(random, [
    `${name} hat ${pick(random, times)} die ${inflected(quality, 'en')} ${thing[1]} im ${place[0]} ${deed[0]}, und ${other} hat ${second[1]} ${done[0]}.`,
    `Im ${place[0]} ${deed[2]} ${name} ${pick(random, times)} drei ${inflected(quality, 'e')} ${thing[1]}. Danach hat ${other} noch ${second[1]} ${done[0]}.`,
    `Wir haben mit ${name} die ${inflected(quality, 'en')} ${thing[1]} ${deed[0]}, weil ${other} im ${place[0]} keine ${second[1]} ${done[2]}.`,
  ])
  const query = pick(random, [
    `Wer wollte im ${place[0]} ${inflected(quality, 'e')} ${thing[0]} ${deed[1]}?`,
    `${inflected(quality, 'e')} ${thing[0]} ${deed[1]} ${place[0]}`,
    `Wann hat ${name} etwas mit den ${inflected(quality, 'en')} ${dative(thing[1])} im ${place[0]} gemacht?`,
    `${name} ${thing[0]} ${deed[1]}`,
  ])
  return { text, query }
}
