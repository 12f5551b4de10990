import { join } from 'node:path'
import { doneOf, failedName, readLines, type Segment, segmentsOf, sizeOf } from './files.ts'
import type { Entry, Mark } from './line.ts'

/** An entry without its body, where it lies, and what became of it. */
export type Indexed = Pick<Entry, 'operation' | 'memory' | 'at' | 'tenant_id' | 'tenant' | 'actor' | 'key' | 'hash'> & {
  segment: string
  offset: number
  bytes: number
  mark?: Mark
  failure?: Mark
}
export type JournalState = { pending: number; oldestSeconds: number; bytes: number; failed: number; damaged: number }
export type SegmentState = Segment & { bytes: number; entries: number; pending: number; damaged: number; unfinished: number }

/** Reads a journal that another process, or this one, writes: what is new since the last look, file by file. It takes no lock and writes nothing. */
export type JournalReader = {
  /** All entries that are still in the journal, in their order. */
  entries(): Promise<Indexed[]>
  /** Those that could not be stored and wait for the operator. */
  failed(): Promise<Indexed[]>
  segments(): Promise<SegmentState[]>
  state(): Promise<JournalState>
}

type Known = { entries: Map<string, Indexed>; end: number; doneEnd: number; damaged: number; unfinished: number }

export function readJournal(directory: string): JournalReader {
  const known = new Map<string, Known>()
  let looking: Promise<Segment[]> | undefined

  async function look(): Promise<Segment[]> {
    const segments = await segmentsOf(directory)
    const names = [...segments.map(({ name }) => name), failedName]
    for (const name of known.keys()) if (!names.includes(name)) known.delete(name)
    for (const name of names) known.set(name, await refresh(name, known.get(name)))
    return segments
  }
  async function refresh(segment: string, before?: Known): Promise<Known> {
    // shorter than it was: a line was taken back whose write had failed
    const same = before && (await sizeOf(join(directory, segment))) >= before.end
    const now = same ? before : { entries: new Map(), end: 0, doneEnd: 0, damaged: 0, unfinished: 0 }
    const { records, damaged, end, unfinished } = await readLines(join(directory, segment), now.end)
    for (const { line, offset, bytes } of records) {
      if (line.kind === 'done') {
        // beside the copy of an entry that failed stands why
        const entry = now.entries.get(line.operation)
        if (entry) entry.failure = line
        continue
      }
      const { operation, memory, at, tenant_id, tenant, actor, key, hash } = line
      now.entries.set(operation, { operation, memory, at, tenant_id, tenant, actor, hash, ...(key === undefined ? {} : { key }), segment, offset, bytes })
    }
    const done = await readLines(join(directory, doneOf(segment)), now.doneEnd)
    for (const { line } of done.records) {
      const entry = line.kind === 'done' ? now.entries.get(line.operation) : undefined
      if (entry && line.kind === 'done') entry.mark = line
    }
    return Object.assign(now, { end, doneEnd: done.end, damaged: now.damaged + damaged, unfinished })
  }
  /** Looks that come at once share one. */
  function looked(): Promise<Segment[]> {
    looking ??= look().finally(() => {
      looking = undefined
    })
    return looking
  }
  const of = (name: string) => [...(known.get(name)?.entries.values() ?? [])]

  async function segments(): Promise<SegmentState[]> {
    const found = await looked()
    return Promise.all(
      found.map(async (segment) => {
        const entries = of(segment.name)
        const { damaged = 0, unfinished = 0 } = known.get(segment.name) ?? {}
        const bytes = (await sizeOf(join(directory, segment.name))) + (await sizeOf(join(directory, doneOf(segment.name))))
        return { ...segment, bytes, entries: entries.length, pending: entries.filter(({ mark }) => !mark).length, damaged, unfinished }
      }),
    )
  }
  return {
    async entries() {
      return (await looked()).flatMap(({ name }) => of(name))
    },
    async failed() {
      await looked()
      return of(failedName).filter(({ mark }) => !mark)
    },
    segments,
    async state() {
      const all = await segments()
      const pending = all.flatMap(({ name }) => of(name)).filter(({ mark }) => !mark)
      const oldest = pending.reduce((least, { at }) => Math.min(least, Date.parse(at)), Number.POSITIVE_INFINITY)
      return {
        pending: pending.length,
        oldestSeconds: pending.length ? Math.max(0, (Date.now() - oldest) / 1000) : 0,
        bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
        failed: of(failedName).filter(({ mark }) => !mark).length,
        damaged: all.reduce((sum, { damaged }) => sum + damaged, 0),
      }
    },
  }
}
