import { foldText } from '../text/index.ts'

export type TermRules = { exact: boolean; caseSensitive: boolean }

const letter = String.raw`\p{L}\p{M}\p{N}`
const edge = new RegExp(`[${letter}]`, 'u')
// scripts that set no spaces have no whole words to ask for
const unspaced = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u

/**
 * How often a text holds a term. `exact`: whole words in this order, with anything that is no letter or digit where the term has spaces; an apostrophe
 * after a word ends it ("ada" is in "Ada's"), one before it does not begin one ("s" is not). Otherwise the term's characters, anywhere. Both sides are
 * compared as NFKC, and in lower case unless `caseSensitive`.
 */
export function termMatcher(term: string, { exact, caseSensitive }: TermRules): (text: string) => number {
  const fold = (text: string) => foldText(text, caseSensitive)
  const wanted = exact ? fold(term).trim() : fold(term)
  const pattern = exact ? wholeWords(wanted) : new RegExp(escapePattern(wanted), 'gu')
  return (text) => fold(text).match(pattern)?.length ?? 0
}

function wholeWords(term: string): RegExp {
  const characters = [...term]
  const bounded = (character = '') => edge.test(character) && !unspaced.test(character)
  const before = bounded(characters[0]) ? `(?<![${letter}]'?)` : ''
  const after = bounded(characters.at(-1)) ? `(?![${letter}])` : ''
  const words = term.split(/\s+/u)
  // between letters anything else may stand; elsewhere only spaces: either way there is one place where it can end, so no text makes it slow
  const gap = (left = '', right = '') => (edge.test([...left].at(-1) ?? '') && edge.test([...right][0] ?? '') ? `[^${letter}]+` : String.raw`\s+`)
  const pattern = words.map((one, i) => (i === 0 ? '' : gap(words[i - 1], one)) + escapePattern(one)).join('')
  return new RegExp(`${before}${pattern}${after}`, 'gu')
}

function escapePattern(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`)
}
