import { AppError, type ProblemCode } from '../problem/index.ts'
import type { Tally } from './report.ts'
import { dropVersions, type Group, type LinkEntry, problems, type Status, type Writer, writeGroups, writeLinks } from './write-lines.ts'

/** What a smaller batch may cure, or what is about one line only. Anything else ends the import. */
const divisible: readonly ProblemCode[] = ['invalid', 'too_large', 'conflict', 'timeout']

export type WriteQueue = ReturnType<typeof createWriteQueue>

/**
 * Writes batches one after the other, each in a transaction of its own, while the next one is read. A call waits until the batch before it is written: so
 * at most two are in memory, and a reader is slowed to the speed of the database.
 */
export function createWriteQueue(ctx: Writer, tally: Tally) {
  let last: Promise<void> = Promise.resolve()
  /** Versions that were written before their memory: by line, until it comes. */
  let waiting: { id: string; lines: number[] } | undefined

  async function enqueue(work: () => Promise<void>): Promise<void> {
    await last
    last = work()
    // whoever waits for it hears of the failure; until then it is not an unhandled one
    last.catch(() => {})
  }

  function count(kind: 'memory' | 'version' | 'link', line: number, status: Status): void {
    if (status === '') tally.imported(kind)
    else if (status === 'duplicate') tally.duplicate()
    else tally.fail(line, problems[status])
  }

  async function groups(batch: readonly Group[]): Promise<void> {
    await divided(
      batch,
      async (part) => {
        const statuses = await writeGroups(ctx, part)
        const entries = part.flatMap((group) => group.entries)
        for (const [index, { kind, line }] of entries.entries()) count(kind, line, statuses[index] as Status)
      },
      (group, error) => {
        for (const { line } of group.entries) tally.fail(line, problemOf(error))
      },
    )
    const [first] = batch
    if (!waiting || first?.id !== waiting.id) return
    const { id, lines } = waiting
    waiting = undefined
    // its memory is here now, or never will be
    const dropped = Math.min(await dropVersions(ctx, id), lines.length)
    if (dropped === 0) return
    tally.imported('version', -dropped)
    for (const line of lines.slice(-dropped)) tally.fail(line, problems.orphan)
  }

  async function partial(group: Group): Promise<void> {
    const statuses = await writeGroups(ctx, [group], group.id)
    waiting ??= { id: group.id, lines: [] }
    for (const [index, { kind, line }] of group.entries.entries()) {
      const status = statuses[index] as Status
      if (status === '') waiting.lines.push(line)
      count(kind, line, status)
    }
  }

  return {
    groups: (batch: readonly Group[]) => enqueue(() => groups(batch)),
    /** A part of a memory's versions; the group of the same id that comes next in `groups` ends it. */
    partial: (group: Group) => enqueue(() => partial(group)),
    links: (batch: readonly LinkEntry[]) =>
      enqueue(() =>
        divided(
          batch,
          async (part) => {
            const statuses = await writeLinks(ctx, part)
            for (const [index, { line }] of part.entries()) count('link', line, statuses[index] as Status)
          },
          ({ line }, error) => tally.fail(line, problemOf(error)),
        ),
      ),
    end: () => last,
    /** Ends without the rest: what was written ahead of a memory that does not come is taken back. */
    async abandon(): Promise<void> {
      await last.catch(() => {})
      if (waiting) await dropVersions(ctx, waiting.id)
    },
  }
}

/** Writes all at once; when the database refuses, in halves, so that one line costs no other. */
async function divided<T>(batch: readonly T[], write: (part: readonly T[]) => Promise<void>, fail: (one: T, error: AppError) => void): Promise<void> {
  try {
    await write(batch)
  } catch (error) {
    if (!(error instanceof AppError) || !divisible.includes(error.code)) throw error
    const [only] = batch
    if (only !== undefined && batch.length === 1) return fail(only, error)
    const half = batch.length >> 1
    await divided(batch.slice(0, half), write, fail)
    await divided(batch.slice(half), write, fail)
  }
}

const problemOf = ({ code, message }: AppError) => ({ code, detail: message })
