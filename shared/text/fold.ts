const beyondAscii = /[^\0-\x7f]/
const marked = /(\p{Script=Latin})\p{Mn}+/gu
const ligatures: Record<string, string> = { ß: 'ss', æ: 'ae', œ: 'oe', ø: 'o', ł: 'l' }

/** Latin letters without accents and ligatures; other scripts as they are. */
export function foldMarks(word: string): string {
  if (!beyondAscii.test(word)) return word
  return word
    .normalize('NFD')
    .replaceAll(marked, '$1')
    .normalize('NFC')
    .replaceAll(/[ßæœøł]/g, (letter) => ligatures[letter] as string)
}
