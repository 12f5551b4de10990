import { pick } from '../texts.ts'
import { forms, type Known, scene } from './known.ts'

const names = 'Ana Jorge Clara Bernardo Inês Germano Helena Lucas Sofia Mateus Júlia Rodrigo Elisa Tomás Frida Óscar Marta Gonçalo'.split(' ')
const places = forms('no_porto no_mercado na_estação no_jardim na_floresta no_porão na_loja no_parque no_pátio no_salão na_torre no_estábulo')
// singular, plural, gender
const things = forms(
  'caixa/caixas/f casa/casas/f livro/livros/m maçã/maçãs/f cadeira/cadeiras/f lâmpada/lâmpadas/f flor/flores/f faca/facas/f carta/cartas/f chave/chaves/f mala/malas/f casaco/casacos/m jornal/jornais/m conta/contas/f bicicleta/bicicletas/f quadro/quadros/m copo/copos/m cachorro/cachorros/m gato/gatos/m pássaro/pássaros/m mesa/mesas/f sapato/sapatos/m vestido/vestidos/m bolo/bolos/m garrafa/garrafas/f cartão/cartões/m relógio/relógios/m tapete/tapetes/m ferramenta/ferramentas/f presente/presentes/m planta/plantas/f cobertor/cobertores/m xícara/xícaras/f cesta/cestas/f bola/bolas/f cerca/cercas/f carro/carros/m barco/barcos/m camisa/camisas/f canção/canções/f',
)
const qualities = forms(
  'vermelho/vermelha pequeno/pequena pesado/pesada leve/leve velho/velha novo/nova quebrado/quebrada caro/cara barato/barata sujo/suja limpo/limpa redondo/redonda longo/longa curto/curta largo/larga estreito/estreita branco/branca preto/preta amarelo/amarela roxo/roxa',
)
// preterite, infinitive, imperfect
const deeds = forms(
  'vendeu/vender/vendia comprou/comprar/comprava encontrou/encontrar/encontrava consertou/consertar/consertava procurou/procurar/procurava pintou/pintar/pintava perdeu/perder/perdia mostrou/mostrar/mostrava abriu/abrir/abria escondeu/esconder/escondia limpou/limpar/limpava trocou/trocar/trocava embalou/embalar/embalava pediu/pedir/pedia fotografou/fotografar/fotografava levou/levar/levava mediu/medir/media descreveu/descrever/descrevia',
)
const times = ['ontem', 'na segunda-feira', 'na semana passada', 'hoje cedo', 'no verão', 'há três dias', 'à tarde', 'em janeiro']
const isFeminine = (thing: string[]) => thing[2] === 'f'
const agreeing = (quality: string[], thing: string[]) => quality[isFeminine(thing) ? 1 : 0] as string
/** As it is typed in a hurry. */
const bare = (text: string) => text.normalize('NFD').replaceAll(/\p{Mn}/gu, '')

export const portuguese: Known = (random) => {
  const [name, other, [place = ''], thing, quality, deed] = scene(random, names, places, things, qualities, deeds)
  const [second, done] = [pick(random, things), pick(random, deeds)]
  const text = pick(random, [
    `${name} ${deed[0]} ${isFeminine(thing) ? 'as' : 'os'} ${thing[1]} ${agreeing(quality, thing)}s ${place} ${pick(random, times)}, e ${other} ${done[0]} ${second[1]}.`,
    `${pick(random, times)}, ${place}, ${name} ${deed[2]} três ${thing[1]} ${agreeing(quality, thing)}s. Depois ${other} ainda ${done[0]} ${isFeminine(second) ? 'uma' : 'um'} ${second[0]}.`,
    `Com ${name} se ${deed[0]} tudo: ${thing[1]} ${agreeing(quality, thing)}s, porque ${place} não havia ${second[1]}, disse ${other}.`,
  ])
  const query = pick(random, [
    `Quem queria ${deed[1]} ${isFeminine(thing) ? 'uma' : 'um'} ${thing[0]} ${agreeing(quality, thing)} ${place}?`,
    `${deed[1]} ${thing[0]} ${agreeing(quality, thing)} ${place.split(' ')[1]}`,
    `O que ${name} fez com ${isFeminine(thing) ? 'a' : 'o'} ${thing[0]} ${agreeing(quality, thing)} ${place}?`,
    `${name} ${deed[1]} ${thing[0]}`,
  ])
  return { text, query: random() < 0.3 ? bare(query) : query }
}
