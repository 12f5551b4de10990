import { pick, type Random } from '../texts.ts'

/** A text, and what somebody asks who remembers it in words of his own: other forms of some of its words. */
export type Known = (random: Random) => { text: string; query: string }

/** Who, another, where, what, of what kind, and what was done: drawn in this order. */
export const scene = <Place, Thing, Quality, Deed>(
  random: Random,
  names: readonly string[],
  places: readonly Place[],
  things: readonly Thing[],
  qualities: readonly Quality[],
  deeds: readonly Deed[],
) => [pick(random, names), pick(random, names), pick(random, places), pick(random, things), pick(random, qualities), pick(random, deeds)] as const

/** Words split by spaces, their forms by slashes; `_` stands for a space. */
export const forms = (list: string): string[][] => list.split(/\s+/).map((one) => one.replaceAll('_', ' ').split('/'))
