import { pick } from '../texts.ts'
import { forms, type Known, scene } from './known.ts'

const names = 'Ana Jorge Clara Bernardo Inés Germán Elena Lucas Sofía Mateo Julia Rodrigo Elisa Tomás Frida Óscar Marta Gonzalo'.split(' ')
const places = forms('el_puerto el_mercado la_estación el_jardín el_bosque el_sótano la_tienda el_parque el_patio el_salón la_torre el_establo')
// singular, plural, gender
const things = forms(
  'caja/cajas/f casa/casas/f libro/libros/m manzana/manzanas/f silla/sillas/f lámpara/lámparas/f flor/flores/f cuchillo/cuchillos/m carta/cartas/f llave/llaves/f maleta/maletas/f abrigo/abrigos/m periódico/periódicos/m factura/facturas/f bicicleta/bicicletas/f cuadro/cuadros/m vaso/vasos/m perro/perros/m gato/gatos/m pájaro/pájaros/m mesa/mesas/f zapato/zapatos/m vestido/vestidos/m pastel/pasteles/m botella/botellas/f tarjeta/tarjetas/f reloj/relojes/m alfombra/alfombras/f herramienta/herramientas/f regalo/regalos/m planta/plantas/f manta/mantas/f taza/tazas/f cesta/cestas/f balón/balones/m valla/vallas/f carro/carros/m barco/barcos/m camisa/camisas/f canción/canciones/f',
)
const qualities = forms(
  'rojo/roja pequeño/pequeña pesado/pesada ligero/ligera viejo/vieja nuevo/nueva roto/rota caro/cara barato/barata sucio/sucia limpio/limpia redondo/redonda largo/larga corto/corta ancho/ancha estrecho/estrecha blanco/blanca negro/negra amarillo/amarilla morado/morada',
)
// preterite, infinitive, imperfect
const deeds = forms(
  'vendió/vender/vendía compró/comprar/compraba encontró/encontrar/encontraba reparó/reparar/reparaba buscó/buscar/buscaba pintó/pintar/pintaba perdió/perder/perdía mostró/mostrar/mostraba abrió/abrir/abría escondió/esconder/escondía limpió/limpiar/limpiaba cambió/cambiar/cambiaba empaquetó/empaquetar/empaquetaba pidió/pedir/pedía fotografió/fotografiar/fotografiaba llevó/llevar/llevaba midió/medir/medía describió/describir/describía',
)
const times = ['ayer', 'el lunes', 'la semana pasada', 'esta mañana', 'en verano', 'hace tres días', 'por la tarde', 'en enero']
const isFeminine = (thing: string[]) => thing[2] === 'f'
const agreeing = (quality: string[], thing: string[]) => quality[isFeminine(thing) ? 1 : 0] as string
/** As it is typed in a hurry. */
const bare = (text: string) =>
  text
    .normalize('NFD')
    .replaceAll(/[\u0300\u0301]/g, '')
    .normalize('NFC')

export const spanish: Known = (random) => {
  const [name, other, [place = ''], thing, quality, deed] = scene(random, names, places, things, qualities, deeds)
  const [second, done] = [pick(random, things), pick(random, deeds)]
  const text = pick(random, [
    `${name} ${deed[0]} ${isFeminine(thing) ? 'las' : 'los'} ${thing[1]} ${agreeing(quality, thing)}s en ${place} ${pick(random, times)}, y ${other} ${done[0]} ${second[1]}.`,
    `En ${place} ${name} ${deed[2]} tres ${thing[1]} ${agreeing(quality, thing)}s ${pick(random, times)}. Después ${other} ${done[0]} ${isFeminine(second) ? 'otra' : 'otro'} ${second[0]}.`,
    `Con ${name} se ${deed[0]} todo: ${thing[1]} ${agreeing(quality, thing)}s, porque en ${place} no había ${second[1]}, dijo ${other}.`,
  ])
  const query = pick(random, [
    `¿Quién quería ${deed[1]} ${isFeminine(thing) ? 'una' : 'un'} ${thing[0]} ${agreeing(quality, thing)} en ${place}?`,
    `${deed[1]} ${thing[0]} ${agreeing(quality, thing)} ${place.split(' ')[1]}`,
    `¿Qué hizo ${name} con ${isFeminine(thing) ? 'la' : 'el'} ${thing[0]} ${agreeing(quality, thing)} en ${place}?`,
    `${name} ${deed[1]} ${thing[0]}`,
  ])
  return { text, query: random() < 0.3 ? bare(query) : query }
}
