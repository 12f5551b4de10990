import type { Sql } from '../db/index.ts'
import { linksPage, type MemoriesPage, type Model, memoriesPage, type VersionsFrom, versionsPage } from './export-pages.ts'
import type { ExportQuery } from './export-query.ts'
import { memoryLine } from './line-out.ts'

/** Where an export goes on: after a memory (and, of the next one, after a version), or after a link between memories up to the key `last`. */
export type Place = { memory: string; version?: VersionsFrom } | { link: string; last: string }
export const beginning: Place = { memory: '0' }
/** A line, and where to go on behind it. After a `whole` one no memory is parted from its versions. */
export type WalkedLine = { text: string; whole: boolean; place: Place }
/** What was read at once; `place` is behind all of it, also where nothing of it is in the export. */
export type Walked = { lines: WalkedLine[]; place: Place }
/** Whose memories, and how a short transaction reads them. */
export type Source = { tenantId: number; read<T>(work: (tx: Sql) => Promise<T>): Promise<T> }

const noLink = '00000000-0000-0000-0000-000000000000'

/** An export from a place on. Each page is a transaction of its own, so going on at a place later is the same as never having stopped. */
export async function* walk(source: Source, query: ExportQuery, from: Place, model: Model): AsyncGenerator<Walked> {
  let links: { link: string; last: string }
  if ('memory' in from) {
    let { memory: last, version }: { memory: string; version?: VersionsFrom } = from
    for (let page = await nextMemories(); page; page = await nextMemories()) {
      yield* linesOf(source, query, page, last, model)
      last = page.lastKey
      version = undefined
    }
    links = { link: noLink, last }

    function nextMemories(): Promise<MemoriesPage | undefined> {
      return source.read((tx) => memoriesPage(tx, source.tenantId, query, last, model, version))
    }
  } else links = from
  if (!query.links) return
  for (;;) {
    const { link, last } = links
    const page = await source.read((tx) => linksPage(tx, source.tenantId, query, link, last))
    if (!page) return
    links = { link: page.last, last }
    yield { lines: page.lines.map(({ id, text }) => ({ text, whole: true, place: { link: id, last } })), place: links }
  }
}

/** The lines of a page: each memory after its versions. Versions that are more than a page are read on, and given away as they come. */
async function* linesOf(source: Source, query: ExportQuery, page: MemoriesPage, after: string, model: Model): AsyncGenerator<Walked> {
  let lines: WalkedLine[] = []
  let before = after
  for (const row of page.memories) {
    const key = row.memory_key
    for (;;) {
      for (const { text, version } of page.lines.get(key) ?? []) lines.push({ text, whole: false, place: { memory: before, version: { key, version } } })
      page.lines.delete(key)
      const { more } = page
      // the versions read so far end in this memory, or before it
      if (!more || BigInt(more.key) > BigInt(key)) break
      const last = lines.at(-1)
      if (last) yield { lines, place: last.place }
      lines = []
      page.more = await source.read((tx) => versionsPage(tx, source.tenantId, query, page, more, model))
    }
    lines.push({ text: memoryLine(row), whole: true, place: { memory: key } })
    before = key
  }
  yield { lines, place: { memory: page.lastKey } }
}
