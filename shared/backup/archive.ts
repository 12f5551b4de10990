import { randomUUID } from 'node:crypto'
import { type Sql, schemaVersion } from '../db/index.ts'
import { probedTenants, takeProbes } from '../probe/index.ts'
import { tokenizerRevision } from '../text/index.ts'
import { modelUse } from '../vector/index.ts'
import { type EncodedBlock, encodeBlock, type Rows, writeParts } from './blocks.ts'
import { ArchiveError, defaultPartBytes, formatVersion, type Manifest, probesTable } from './format.ts'
import { type Base, horizonOf } from './increment.ts'
import { type BackupKey, createDataKey, wrapDataKey } from './keys.ts'
import { keyAt, type Place } from './place.ts'
import { readTables, setForms } from './tables.ts'
import { createTally } from './tally.ts'
import { tenantRows } from './tenant-rows.ts'
import { addWordSums, hasOlderWords, type WordSums, wordSumsOf } from './word-sums.ts'

export type ArchiveOptions = {
  key?: BackupKey | undefined
  signal?: AbortSignal | undefined
  onProgress?: ((rows: number) => void) | undefined
  /** A part's length, about; a store that takes larger objects may have fewer. */
  partBytes?: number | undefined
  /** What is as it was in that archive, which lies beside the new one, is left to it. */
  base?: Base | undefined
  /** The name of the only tenant that is archived. */
  tenant?: string | undefined
  /** The share of its time in which it asks the database, above 0 and at most 1, which is also the default. */
  pace?: number | undefined
  /** Hears after each part but the last what is written; answers whether another archive may build on it. */
  onPart?: ((written: Written) => Promise<boolean>) | undefined
}
export type Written = { manifest: Manifest; words: Record<string, WordSums> }

/** Compressed at the same time, while the next rows come: more would only hold more memory. */
const ahead = 3

export function refuseStopped(signal: AbortSignal | undefined, reached = false): void {
  if (signal?.aborted) throw new Error(`The backup was stopped before it was whole${reached ? '.' : ', and what it had written was removed.'}`, { cause: signal.reason })
}

/** Writes the parts of an archive in a read-only transaction as soma_worker, whose snapshot it is of; the manifest is the caller's to write. */
export async function writeArchive(tx: Sql, place: Place, options: ArchiveOptions, written: (key: string) => void): Promise<Written> {
  const { key, signal, onProgress, base } = options
  await setForms(tx)
  const head = await headOf(tx, options)
  const since = base && { base, horizon: await horizonFor(tx, base) }
  const tables = await readTables(tx)
  const tenants = await tenantsOf(tx, head.only)
  const tally = createTally(tables)
  const dataKeys: Record<string, string> = {}
  const evidence = createEvidence(tx, head.created_at, base)
  const probed = new Set(head.only === null ? await probedTenants(tx) : tenants)
  let rows = 0
  let reached = false

  async function* tenantBlocks(tenant: number): AsyncGenerator<Rows> {
    // a table that has no row any more is not heard of
    const before = base?.contents[tenant] ?? {}
    const other = new Set(Object.keys(before))
    const onTable = (table: string, content: Manifest['contents'][string][string]) => {
      if (content.kept === 'all' && content.rows === before[table]?.rows) other.delete(table)
      else other.add(table)
      tally.close(tenant, table, content)
    }
    yield* tenantRows(tx, tables, tenant, { since, onTable, pace: options.pace ?? 1 })
    await evidence.sumWords(tenant, other.has('memories') || other.has('memory_versions'))
    const asked = probed.has(tenant) ? await evidence.ask(tenant) : []
    if (asked.length) yield { tenant, table: probesTable, holds: 'rows', rows: asked.length, text: Buffer.from(asked.map((one) => JSON.stringify(one)).join('\n')) }
  }

  async function* encoded(): AsyncGenerator<EncodedBlock> {
    const under: Promise<EncodedBlock>[] = []
    for (const tenant of tenants) {
      const dataKey = key ? createDataKey(tenant) : undefined
      if (key && dataKey) dataKeys[dataKey.id] = wrapDataKey(key, head.archive_id, dataKey)
      for await (const block of tenantBlocks(tenant)) {
        refuseStopped(signal, reached)
        const encoding = encodeBlock(head.archive_id, tally.give(), block, dataKey)
        // whoever awaits it hears of its failure; until then it must not end the process
        encoding.catch(() => {})
        under.push(encoding)
        if (block.table !== probesTable && block.holds === 'rows') rows += block.rows
        onProgress?.(rows)
        if (under.length >= ahead) yield (await under.shift()) as EncodedBlock
      }
    }
    for (const encoding of under) yield await encoding
  }

  const manifestOf = (parts: Manifest['parts'], words: Manifest['words'], whole: boolean): Manifest => ({
    ...head,
    whole,
    compression: 'zstd',
    encryption: key ? { algorithm: 'aes-256-gcm', key_id: key.id, data_keys: { ...dataKeys } } : null,
    base: base ? { archive: base.archive, archive_id: base.archiveId } : null,
    words,
    tenants: tenants.length,
    ...tally.counted(),
    parts: [...parts],
  })
  const heard = {
    written,
    onBlock: tally.onBlock,
    async onPart(parts: Manifest['parts']) {
      if (await options.onPart?.({ manifest: manifestOf(parts, null, false), words: evidence.words })) reached = true
    },
  }
  const parts = await writeParts(place.store, (name) => keyAt(place, name), encoded(), options.partBytes ?? defaultPartBytes, heard)
  return { manifest: manifestOf(parts, evidence.total(), true), words: evidence.words }
}

type Head = Omit<Manifest, 'whole' | 'compression' | 'encryption' | 'base' | 'words' | 'tenants' | 'tables' | 'contents' | 'probes' | 'blocks' | 'parts'>

async function headOf(tx: Sql, { tenant }: ArchiveOptions): Promise<Head> {
  const [facts] = await tx.query<{ engine: string; snapshot: string; installation: Manifest['installation'] }>(
    `select split_part(version(), ' ', 2) as engine, pg_current_snapshot()::text as snapshot, (select json_build_object('installation_id', i.installation_id, 'generation', i.generation,
       'signing_keys', i.signing_keys, 'created_at', i.created_at) from installation i) as installation`,
  )
  const models = await tx.query<Manifest['embedding_models'][number]>(
    `select e.model_key, e.name, e.dimension, ${modelUse} as use from embedding_models e left join embedding_roles r on true order by e.model_key`,
  )
  const { engine, snapshot, installation } = facts as NonNullable<typeof facts>
  let only: number | null = null
  if (tenant !== undefined) {
    const [row] = await tx.query<{ tenant_id: number }>('select tenant_id from tenants where name = $1::text', [tenant])
    if (!row) throw new ArchiveError(`There is no tenant "${tenant}" to back up.`)
    only = row.tenant_id
  }
  return {
    format: 'soma-backup',
    format_version: formatVersion,
    archive_id: randomUUID(),
    created_at: new Date().toISOString(),
    engine: `postgres ${engine}`,
    schema_version: schemaVersion,
    tokenizer: tokenizerRevision,
    installation,
    embedding_models: models,
    snapshot,
    only,
  }
}

async function horizonFor(tx: Sql, { archive, snapshot }: Base): Promise<number> {
  const horizon = await horizonOf(tx, snapshot)
  if (horizon === null) throw new Error(`The archive ${archive} is too old for another one to build on.`)
  return horizon
}

async function tenantsOf(tx: Sql, only: number | null): Promise<number[]> {
  if (only !== null) return [only]
  return (await tx.query<{ tenant_id: number }>('select tenant_id from tenants order by tenant_id')).map((row) => row.tenant_id)
}

/** What a drill compares beside the rows. It is worth having, and no reason to be without a backup: where it cannot be computed, as it takes too long, it is left out. */
function createEvidence(tx: Sql, at: string, base: Base | undefined) {
  const words: Record<string, WordSums> = {}
  let unsummed = false
  async function orElse<T>(instead: T, work: () => Promise<T>): Promise<T> {
    await tx.query('savepoint evidence')
    try {
      const found = await work()
      await tx.query('release evidence')
      return found
    } catch {
      await tx.query('rollback to evidence')
      return instead
    }
  }
  return {
    words,
    /** Of a tenant whose texts have not changed the sum is that of the archive before. */
    async sumWords(tenant: number, changed: boolean): Promise<void> {
      const before = base?.words[tenant]
      unsummed ||= await orElse(true, () => hasOlderWords(tx, tenant))
      const sum = unsummed ? undefined : !changed && before ? before : await orElse(undefined, () => wordSumsOf(tx, tenant))
      if (sum) words[tenant] = sum
      else unsummed = true
    },
    ask: (tenant: number) => orElse([], () => takeProbes(tx, tenant, at)),
    total: (): Manifest['words'] => (unsummed ? null : addWordSums(Object.values(words))),
  }
}
