import { unpackBlock } from './blocks.ts'
import { ArchiveError, type BlockHeader, type Content, type Manifest, probesTable } from './format.ts'
import { KeySet } from './key-set.ts'
import { type Archive, chainOf, createSums } from './read.ts'
import { createRowSum, type RowSum } from './row-hash.ts'
import { archivedTables } from './tables.ts'

/** Rows of one tenant and table: JSON objects, also joined by newlines. Of the table `probes`: questions. */
export type ContentRows = { tenant: number; table: string; text: Buffer; lines: readonly Buffer[] }
export type Contents = {
  /** By tenant, then by table in the order in which they can be inserted. @throws ArchiveError at the first that is not what was written */
  rows(): AsyncGenerator<ContentRows>
  /** Once all rows were given out, the archive's manifest, with the rows and hashes of all tables as they were at its instant. */
  manifest(): Manifest
}

const orderOf = (table: string): number => (table === probesTable ? archivedTables.length : (archivedTables as readonly string[]).indexOf(table))

/**
 * What there was at an archive's instant. Where it builds on others, they are read side by side: of each table first what the newest holds, then of the one before what the newest says is still so, and on
 * to the one that leaves nothing to another. Only the keys of one table of one tenant are in memory.
 */
export function contentsOf(archive: Archive): Contents {
  const chain = chainOf(archive)
  const { manifest } = archive
  const sums = new Map<string, RowSum>(Object.keys(manifest.tables).map((name) => [name, createRowSum()]))
  async function* rows(): AsyncGenerator<ContentRows> {
    const cursors = chain.map(createCursor)
    for (const tenant of Object.keys(manifest.contents)
      .map(Number)
      .sort((a, b) => a - b)) {
      const tables = Object.keys(manifest.contents[tenant] ?? {}).sort((a, b) => orderOf(a) - orderOf(b))
      for (const table of tables) {
        let found = 0
        for await (const block of tableRows(chain, cursors, tenant, table)) {
          found += block.lines.length
          if (chain.length > 1) for (const line of block.lines) sums.get(table)?.add(line)
          yield block
        }
        const wanted = manifest.contents[tenant]?.[table]?.rows
        if (found !== wanted) throw new ArchiveError(`The archive has ${found} rows of ${table} of the tenant ${tenant}, its manifest says ${wanted}.`)
      }
      for await (const { text, lines } of (cursors.at(-1) as Cursor).segment(tenant, probesTable)) yield { tenant, table: probesTable, text, lines }
    }
    for (const cursor of cursors) await cursor.end()
  }
  return {
    rows,
    manifest() {
      if (chain.length === 1) return manifest
      const tables = Object.entries(manifest.tables).map(([name, table]) => [name, { ...table, rows: sums.get(name)?.rows ?? 0, content: sums.get(name)?.digest() ?? '' }])
      return { ...manifest, tables: Object.fromEntries(tables) }
    },
  }
}

/** The rows of a tenant's table: from the newest archive back to the one that has the rest. */
async function* tableRows(chain: readonly Archive[], cursors: readonly Cursor[], tenant: number, table: string): AsyncGenerator<ContentRows> {
  let still: KeySet | undefined
  for (let i = chain.length - 1; i >= 0; i--) {
    const { manifest } = chain[i] as Archive
    const content = manifest.contents[tenant]?.[table]
    if (!content) throw new ArchiveError(`An archive builds on that of ${manifest.created_at} for rows of ${table} of the tenant ${tenant}, which it does not have.`)
    const named = typeof content.kept === 'number' ? new KeySet() : undefined
    let keys = 0
    for await (const { header, text, lines } of (cursors[i] as Cursor).segment(tenant, table)) {
      if (header.holds === 'keys') {
        keys += lines.length
        for (const line of lines) {
          const key = JSON.stringify(JSON.parse(line.toString()))
          if (!still || still.has(key)) named?.add(key)
        }
        continue
      }
      const left = still ? keptLines(lines, manifest.tables[table]?.key ?? [], still) : lines
      if (left.length) yield { tenant, table, lines: left, text: left.length === lines.length ? text : joined(left) }
    }
    if (keys !== countOf(content))
      throw new ArchiveError(`The archive of ${manifest.created_at} names ${keys} rows of ${table} of the tenant ${tenant}, its manifest says ${countOf(content)}.`)
    if (content.kept === undefined) return
    if (named) still = named
  }
}

const countOf = ({ kept }: Content): number => (typeof kept === 'number' ? kept : 0)

function keptLines(lines: readonly Buffer[], key: readonly string[], still: KeySet): Buffer[] {
  return lines.filter((line) => {
    const row = JSON.parse(line.toString()) as Record<string, unknown>
    return still.has(JSON.stringify(key.map((column) => row[column])))
  })
}

function joined(lines: readonly Buffer[]): Buffer {
  const newline = Buffer.from('\n')
  return Buffer.concat(lines.flatMap((line, i) => (i === 0 ? [line] : [newline, line])))
}

type Block = { header: BlockHeader; text: Buffer; lines: readonly Buffer[] }
type Cursor = {
  /** The blocks of a tenant's table; those before it are passed over. */
  segment(tenant: number, table: string): AsyncGenerator<Block>
  /** Passes over the rest, and holds all that it has read against the manifest. */
  end(): Promise<void>
}

/** Reads an archive's blocks once, in their order, all of them. */
function createCursor({ manifest, blocks }: Archive): Cursor {
  const source = blocks()
  const sums = createSums(manifest)
  let held: Block | undefined
  async function next(): Promise<void> {
    const { value, done } = await source.next()
    if (done) {
      held = undefined
      return
    }
    const { block, packed } = value
    const text = await unpackBlock(block.header, packed)
    held = { header: block.header, text, lines: sums.add(block, text) }
  }
  let started: Promise<void> | undefined
  const begin = () => {
    started ??= next()
    return started
  }
  return {
    async *segment(tenant, table) {
      await begin()
      const place = ({ header }: Block) => header.tenant - tenant || orderOf(header.table) - orderOf(table)
      while (held && place(held) < 0) await next()
      while (held && place(held) === 0) {
        yield held
        await next()
      }
    },
    async end() {
      await begin()
      while (held) await next()
      sums.check()
    },
  }
}
