import type { Random } from '../texts.ts'

/** A text, and what somebody asks who remembers it in words of his own: other forms of some of its words. */
export type Known = (random: Random) => { text: string; query: string }

/** Words split by spaces, their forms by slashes; `_` stands for a space. */
export const forms = (list: string): string[][] => list.split(/\s+/).map((one) => one.replaceAll('_', ' ').split('/'))
