import { pick } from '../texts.ts'
import { forms, type Known, scene } from './known.ts'

const names = 'Anne Jérôme Claire Bernard Odile Gérard Hélène Luc Sabine Mathieu Julie René Élise Thomas Frédérique Oscar Margaux Gautier'.split(' ')
const places = forms(
  "le_port/au_port le_marché/au_marché la_gare/à_la_gare le_jardin/au_jardin la_forêt/dans_la_forêt la_cave/dans_la_cave l'atelier/à_l'atelier l'école/à_l'école l'hôtel/à_l'hôtel la_cour/dans_la_cour l'écurie/dans_l'écurie le_parc/au_parc",
)
// singular, plural, gender
const things = forms(
  'caisse/caisses/f maison/maisons/f livre/livres/m pomme/pommes/f chaise/chaises/f lampe/lampes/f fleur/fleurs/f couteau/couteaux/m lettre/lettres/f valise/valises/f manteau/manteaux/m journal/journaux/m facture/factures/f vélo/vélos/m tableau/tableaux/m verre/verres/m chien/chiens/m chat/chats/m oiseau/oiseaux/m table/tables/f chaussure/chaussures/f robe/robes/f gâteau/gâteaux/m bouteille/bouteilles/f carte/cartes/f montre/montres/f tapis/tapis/m outil/outils/m cadeau/cadeaux/m plante/plantes/f couverture/couvertures/f tasse/tasses/f panier/paniers/m ballon/ballons/m barrière/barrières/f voiture/voitures/f bateau/bateaux/m chemise/chemises/f dessin/dessins/m horloge/horloges/f',
)
// masculine, feminine
const qualities = forms(
  'vert/verte petit/petite lourd/lourde léger/légère ancien/ancienne cassé/cassée coûteux/coûteuse sale/sale propre/propre rond/ronde long/longue court/courte large/large étroit/étroite blanc/blanche coloré/colorée noir/noire gris/grise brun/brune rouge/rouge',
)
// participle, infinitive, imperfect
const deeds = forms(
  'vendu/vendre/vendait acheté/acheter/achetait trouvé/trouver/trouvait réparé/réparer/réparait cherché/chercher/cherchait peint/peindre/peignait perdu/perdre/perdait montré/montrer/montrait ouvert/ouvrir/ouvrait caché/cacher/cachait nettoyé/nettoyer/nettoyait échangé/échanger/échangeait emballé/emballer/emballait commandé/commander/commandait photographié/photographier/photographiait porté/porter/portait mesuré/mesurer/mesurait décrit/décrire/décrivait',
)
const times = ['hier', 'lundi', 'la semaine dernière', 'ce matin', 'cet été', 'il y a trois jours', 'le soir', 'en janvier']
const agreeing = (quality: string[], thing: string[]) => quality[thing[2] === 'f' ? 1 : 0] as string

export const french: Known = (random) => {
  const [name, other, place, thing, quality, deed] = scene(random, names, places, things, qualities, deeds)
  const [second, done] = [pick(random, things), pick(random, deeds)]
  const many = agreeing(quality, thing).replace(/([^sx])$/, '$1s')
  const text = pick(random, [
    `${name} a ${deed[0]} les ${thing[1]} ${many} ${place[1]} ${pick(random, times)}, et ${other} a ${done[0]} des ${second[1]}.`,
    `${pick(random, times)} ${place[1]}, ${name} ${deed[2]} trois ${thing[1]} ${many}. Ensuite ${other} a ${done[0]} encore ${second[2] === 'f' ? 'une' : 'un'} ${second[0]}.`,
    `Nous avons ${deed[0]} avec ${name} les ${thing[1]} ${many}, parce que ${place[0]} n'avait plus de ${second[1]}, disait ${other}.`,
  ])
  const one = thing[2] === 'f' ? 'une' : 'un'
  const query = pick(random, [
    `Qui voulait ${deed[1]} ${one} ${thing[0]} ${agreeing(quality, thing)} ${place[1]} ?`,
    `${deed[1]} ${thing[0]} ${agreeing(quality, thing)} ${(place[0] as string).replace(/^(?:le|la) |^l'/, '')}`,
    `Quand est-ce que ${name} s'occupait d'${one} ${thing[0]} ${agreeing(quality, thing)} ${place[1]} ?`,
    `${name} ${deed[1]} ${thing[0]}`,
  ])
  return { text, query }
}
