import { readFileSync } from 'node:fs'
import { questionOf, randomFrom, textOf as textOfOurs } from '../local/profile/texts.ts'

export { between, pick, type Random, randomFrom } from '../local/profile/texts.ts'

let given: string[] = []
/** From here on texts are the lines of a file, again and again: for an embedding model, to which words of our own tell nothing. */
export function takeTexts(path: string): void {
  given = readFileSync(path, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.split(' ').length >= 8)
  if (!given.length) throw new Error(`${path} has no line of eight words or more.`)
}

/** The text numbered `i`: of the file that was taken, or of our own. */
export const textOf = (i: number): string => (given.length ? (given[i % given.length] as string) : textOfOurs(i))

export const queryFor = (i: number): string => questionOf(textOf(i), i)

export const embeddingOf = (i: number, dimension: number): string => {
  const random = randomFrom(i + 900_000_000)
  return `[${Array.from({ length: dimension }, () => (random() * 2 - 1) / Math.sqrt(dimension)).join(',')}]`
}
