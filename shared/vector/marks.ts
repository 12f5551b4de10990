import { createHash } from 'node:crypto'

/** More leaves of metadata than this are not marked one by one. */
const mostLeaves = 1_000
/** Said of a memory whose metadata is not marked whole: it fulfils every condition on it, as far as marks go. */
export const manyLeaves = 0

/** 48 bits of SHA-256 of a field and its value: equal values have equal marks, and the engine learns no text. A mark that two share lets a candidate too many through. */
export function mark(field: string, value: unknown): number {
  return createHash('sha256')
    .update(JSON.stringify([field, value]))
    .digest()
    .readUIntBE(0, 6)
}

/** The fields of a memory whose equality is marked; none of them changes while its vector is good. */
export const markedColumns = ['memory_type', 'user_id', 'agent_id', 'app_id', 'run_id', 'session_id', 'speaker', 'language', 'coord'] as const
export type Marked = { [name in (typeof markedColumns)[number]]: string | null } & { tags: string[]; metadata: Record<string, unknown> }

/** The field's name of a leaf of the metadata. */
export const leafName = (path: readonly string[]): string => `metadata.${JSON.stringify(path)}`

export function marksOf(memory: Marked): number[] {
  const marks = new Set<number>()
  for (const name of markedColumns) if (memory[name] !== null) marks.add(mark(name, memory[name]))
  for (const tag of memory.tags) marks.add(mark('tags', tag))
  const leaves: number[] = []
  collectLeaves(memory.metadata, [], leaves)
  if (leaves.length > mostLeaves) marks.add(manyLeaves)
  else for (const leaf of leaves) marks.add(leaf)
  return [...marks]
}

function collectLeaves(value: unknown, path: string[], found: number[]): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [name, inner] of Object.entries(value)) collectLeaves(inner, [...path, name], found)
  } else if (['string', 'number', 'boolean'].includes(typeof value)) {
    found.push(mark(leafName(path), value))
  }
}
