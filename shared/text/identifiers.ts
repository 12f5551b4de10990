/** Whether a text may have identifiers of program code at all: one look at most texts. */
const hint = /[a-z0-9][A-Z]|[A-Z]{2}[a-z]{2}|[A-Za-z0-9]_/
const candidate = /[A-Za-z0-9_]+/g
const humps = /[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+/g
const longest = 64

/**
 * What stands for the identifiers of a text beside the words it is cut into: the parts of camelCase, whose whole is a word already, and the whole of snake_case,
 * joined, whose parts are. So maxRetries and max_retries are one, and "retries" finds both. A part of one letter makes none: iPhone.
 */
export function identifierWords(text: string): string[] {
  if (!hint.test(text)) return []
  const words: string[] = []
  for (const [one] of text.matchAll(candidate)) {
    if (one.length > longest || !hint.test(one)) continue
    const named = one.split('_').filter((part) => part !== '')
    if (named.length > 1) words.push(named.join(''))
    for (const part of named) {
      const parts = part.match(humps) ?? []
      if (parts.length > 1 && !parts.some((hump) => hump.length === 1 && hump > '9')) words.push(...parts)
    }
  }
  return words.map((word) => word.toLowerCase())
}
