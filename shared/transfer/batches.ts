import type { LinkLine, MemoryLine, VersionLine } from './line.ts'
import type { LineProblem } from './parse-line.ts'
import { type KnownModels, prepareLine, prepareLink } from './prepare-line.ts'
import type { Tally } from './report.ts'
import type { Group, LinkEntry } from './write-lines.ts'
import type { WriteQueue } from './write-queue.ts'

/** What one transaction takes. Words are counted too: long texts make many rows. */
const most = { lines: 500, bytes: 4 * 1024 * 1024, words: 60_000 } as const
const nothing = { lines: 0, bytes: 0, words: 0 } as const
const emptyGroup = (id: string): Group => ({ id, entries: [], coord: undefined, bytes: 0, words: 0 })

/** Versions follow each other, or an instant would have two of them; what is wrong with this one behind the last. */
function outOfTurn(last: VersionLine | undefined, given: MemoryLine | VersionLine): LineProblem | undefined {
  if (!last) return undefined
  // of a version that is not below its memory's the version is refused, when both are written
  if ('kind' in given && given.version <= last.version) return { code: 'invalid', detail: '/version must be higher than that of the version before it.', pointer: '/version' }
  if (given.updated_at && given.updated_at < last.closed_at) {
    return { code: 'invalid', detail: '/updated_at must not be earlier than closed_at of the version before it.', pointer: '/updated_at' }
  }
  return undefined
}

/** Gathers lines into batches: a memory and its versions stay together, links come after the memories before them, nothing in a batch collides with another. */
export function createBatches(queue: WriteQueue, tally: Tally, models: KnownModels) {
  const now = new Date().toISOString()
  let groups: Group[] = []
  let total: { lines: number; bytes: number; words: number } = nothing
  let taken = new Set<string>()
  /** Versions whose memory has not come yet; `seen` by number, so that a repeated one is told from a changed one. */
  let open: { group: Group; seen: Map<number, string>; last: VersionLine | undefined } | undefined
  let links: LinkEntry[] = []
  let takenLinks = new Set<string>()

  async function flushGroups(): Promise<void> {
    const batch = groups
    groups = []
    total = nothing
    taken = new Set()
    if (batch.length) await queue.groups(batch)
  }

  async function flushLinks(): Promise<void> {
    const batch = links
    links = []
    takenLinks = new Set()
    if (batch.length) await queue.links(batch)
  }

  async function close(group: Group): Promise<void> {
    open = undefined
    const keys = [group.id, ...(group.coord === undefined ? [] : [group.coord])]
    const full = total.lines + group.entries.length > most.lines || total.bytes + group.bytes > most.bytes || total.words + group.words > most.words
    // a line is judged by what is stored when its call begins, so what it could collide with is stored by an earlier one
    if (full || keys.some((key) => taken.has(key))) await flushGroups()
    groups.push(group)
    for (const key of keys) taken.add(key)
    total = { lines: total.lines + group.entries.length, bytes: total.bytes + group.bytes, words: total.words + group.words }
  }

  async function enter(id: string): Promise<Group> {
    await flushLinks()
    if (open && open.group.id !== id) await close(open.group)
    return open?.group ?? emptyGroup(id)
  }

  function add(group: Group, kind: 'memory' | 'version', line: number, given: MemoryLine | VersionLine, bytes: number): void {
    const item = prepareLine(kind, given, now, models)
    group.entries.push({ line, kind, item })
    group.bytes += bytes
    group.words += item.terms.size
  }

  return {
    async memory(line: number, given: MemoryLine, bytes: number): Promise<void> {
      const group = await enter(given.id)
      const wrong = open && outOfTurn(open.last, given)
      if (wrong) return tally.fail(line, wrong)
      add(group, 'memory', line, given, bytes)
      group.coord = given.coord === null ? undefined : JSON.stringify([given.namespace, given.coord])
      await close(group)
    },

    async version(line: number, given: VersionLine, bytes: number): Promise<void> {
      const group = await enter(given.id)
      open ??= { group, seen: new Map(), last: undefined }
      const content = JSON.stringify(given)
      const before = open.seen.get(given.version)
      if (before === content) return tally.duplicate()
      if (before !== undefined) return tally.fail(line, { code: 'conflict', detail: '/version stands at another line of this memory too.', pointer: '/version' })
      const wrong = outOfTurn(open.last, given)
      if (wrong) return tally.fail(line, wrong)
      open.seen.set(given.version, content)
      open.last = given
      add(group, 'version', line, given, bytes)
      if (group.entries.length < most.lines && group.bytes < most.bytes && group.words < most.words) return
      // more versions than one call takes: they are written ahead of their memory
      await flushGroups()
      await queue.partial(group)
      open = { group: emptyGroup(group.id), seen: new Map(), last: given }
    },

    async link(line: number, given: LinkLine): Promise<void> {
      if (open) await close(open.group)
      await flushGroups()
      const keys = [given.id, JSON.stringify([given.from, given.to, given.type])]
      if (links.length >= most.lines || keys.some((key) => takenLinks.has(key))) await flushLinks()
      links.push({ line, row: prepareLink(given, now) })
      for (const key of keys) takenLinks.add(key)
    },

    /** The body broke off: versions that were written ahead of their memory go again. */
    abandon: () => queue.abandon(),

    /** Resolves when everything is written. */
    async end(): Promise<void> {
      if (open) await close(open.group)
      await flushGroups()
      await flushLinks()
      await queue.end()
    },
  }
}
