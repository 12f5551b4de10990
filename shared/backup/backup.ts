import { randomBytes, randomUUID } from 'node:crypto'
import { BlobExists, type BlobStore } from '../blob/index.ts'
import { assertSchema, type Database, type Sql, schemaVersion } from '../db/index.ts'
import { probedTenants, takeProbes } from '../probe/index.ts'
import { tokenizerRevision } from '../text/index.ts'
import { modelUse } from '../vector/index.ts'
import { type EncodedBlock, encodeBlock, type Rows, writeParts } from './blocks.ts'
import { blockBytes, defaultPartBytes, formatVersion, type Manifest, manifestName, probesTable } from './format.ts'
import { type BackupKey, createDataKey, wrapDataKey } from './keys.ts'
import { sealManifest } from './manifest.ts'
import { pagesOf } from './pages.ts'
import { createRowSum, type RowSum } from './row-hash.ts'
import { actForTenant, filledTables, readTables, setForms, type Table } from './tables.ts'
import { addWordSums, hasOlderWords, type WordSums, wordSumsOf } from './word-sums.ts'

/** Where an archive lies: the keys of the store that begin with `prefix`; the whole store with `''`. */
export type Place = { store: BlobStore; prefix: string }
export const keyAt = ({ prefix }: Place, name: string) => (prefix === '' ? name : `${prefix}/${name}`)

/** `20261124T140500Z-1f2e3d4c-9a8b7c6d`: names sort by time, say whose archive it is (the first digits of the installation's id), and two at once differ. */
export function archiveName(at: Date, installationId: string): string {
  return `${at.toISOString().replaceAll(/[-:]|\.\d+/g, '')}-${installationId.slice(0, 8)}-${randomBytes(4).toString('hex')}`
}

export type BackupReport = {
  archive_id: string
  schema_version: number
  created_at: string
  tenants: number
  rows: number
  bytes: number
  parts: number
  encrypted: boolean
  tables: Record<string, number>
}
export type BackupOptions = {
  key?: BackupKey | undefined
  signal?: AbortSignal | undefined
  onProgress?: ((rows: number) => void) | undefined
  /** A part's length, about; a store that takes larger objects may have fewer. */
  partBytes?: number | undefined
}

const taken = 'There is something already where the backup is to be written: name a new or an empty place.'
const leftBehind = 'What the backup had written could not be removed: it has no manifest, so nothing restores it, and it may be deleted.'

/** A statement fetches a page or asks for one fact; a page that waits this long waits for something that is broken. */
const statementMs = 600_000
/** Compressed at the same time, while the next rows come: more would only hold more memory. */
const ahead = 3

/**
 * Writes everything an installation holds into an archive, as one instant saw it: one repeatable-read transaction as soma_worker, tenant by tenant
 * under forced row-level security. The manifest is written last; what a backup that fails had written is removed.
 * @throws Error when the place is not empty, or another backup writes into it, or the signal ends it
 */
export async function backUp(worker: Database, place: Place, options: BackupOptions = {}): Promise<BackupReport> {
  if ((await place.store.list(place.prefix)).length) throw new Error(taken)
  await assertSchema(worker)
  const written: string[] = []
  try {
    const manifest = await worker.transaction({ role: 'soma_worker', tenantId: null, readOnly: true, timeoutMs: statementMs }, (tx) =>
      archive(tx, place, options, (key) => written.push(key)),
    )
    refuseStopped(options.signal)
    const text = Buffer.from(sealManifest(manifest, options.key))
    await place.store.put(
      keyAt(place, manifestName),
      (async function* () {
        yield text
      })(),
      { ifAbsent: true },
    )
    return reportOf(manifest, text.length)
  } catch (error) {
    // whoever wrote first keeps the place as it is: what is there now may be theirs
    if (error instanceof BlobExists) throw new Error(taken, { cause: error })
    throw (await isRemoved(place, written)) ? error : new Error(`${error instanceof Error ? error.message : error} ${leftBehind}`, { cause: error })
  }
}

function refuseStopped(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new Error('The backup was stopped before it was whole, and what it had written was removed.', { cause: signal.reason })
}

/** The first part last: it keeps others out until the rest is gone. */
async function isRemoved({ store }: Place, written: string[]): Promise<boolean> {
  try {
    for (const key of written.toReversed()) await store.remove(key)
    return true
  } catch {
    return false
  }
}

async function archive(tx: Sql, place: Place, { key, signal, onProgress, partBytes }: BackupOptions, written: (key: string) => void): Promise<Manifest> {
  const createdAt = new Date().toISOString()
  const archiveId = randomUUID()
  await setForms(tx)
  const [facts] = await tx.query<{ engine: string; installation: Manifest['installation'] }>(
    `select split_part(version(), ' ', 2) as engine, (select json_build_object('installation_id', i.installation_id, 'generation', i.generation,
       'signing_keys', i.signing_keys, 'created_at', i.created_at) from installation i) as installation`,
  )
  const models = await tx.query<Manifest['embedding_models'][number]>(
    `select e.model_key, e.name, e.dimension, ${modelUse} as use from embedding_models e left join embedding_roles r on true order by e.model_key`,
  )
  const tenants = (await tx.query<{ tenant_id: number }>('select tenant_id from tenants order by tenant_id')).map((row) => row.tenant_id)
  const tables = await readTables(tx)
  const sums = new Map<string, RowSum>(tables.map(({ name }) => [name, createRowSum()]))
  const dataKeys: Record<string, string> = {}
  const words: WordSums[] = []
  let unsummed = false
  const probed = new Set(await probedTenants(tx))
  let blocks = 0
  let rows = 0
  let probes = 0

  async function* tenantBlocks(tenant: number): AsyncGenerator<Rows> {
    yield* tenantRows(tx, tables, tenant, sums)
    unsummed ||= await orElse(tx, true, () => hasOlderWords(tx, tenant))
    const sum = unsummed ? undefined : await orElse(tx, undefined, () => wordSumsOf(tx, tenant))
    if (sum) words.push(sum)
    else unsummed = true
    const asked = probed.has(tenant) ? await orElse(tx, [], () => takeProbes(tx, tenant, createdAt)) : []
    if (asked.length) yield { tenant, table: probesTable, rows: asked.length, text: Buffer.from(asked.map((one) => JSON.stringify(one)).join('\n')) }
  }

  async function* encoded(): AsyncGenerator<EncodedBlock> {
    const under: Promise<EncodedBlock>[] = []
    for (const tenant of tenants) {
      const dataKey = key ? createDataKey(tenant) : undefined
      if (key && dataKey) dataKeys[dataKey.id] = wrapDataKey(key, archiveId, dataKey)
      for await (const block of tenantBlocks(tenant)) {
        refuseStopped(signal)
        const encoding = encodeBlock(archiveId, blocks++, block, dataKey)
        // whoever awaits it hears of its failure; until then it must not end the process
        encoding.catch(() => {})
        under.push(encoding)
        if (block.table === probesTable) probes += block.rows
        else rows += block.rows
        onProgress?.(rows)
        if (under.length >= ahead) yield (await under.shift()) as EncodedBlock
      }
    }
    for (const encoding of under) yield await encoding
  }

  const parts = await writeParts(place.store, (name) => keyAt(place, name), encoded(), partBytes ?? defaultPartBytes, written)
  return {
    format: 'soma-backup',
    format_version: formatVersion,
    archive_id: archiveId,
    created_at: createdAt,
    engine: `postgres ${facts?.engine}`,
    schema_version: schemaVersion,
    tokenizer: tokenizerRevision,
    installation: (facts as { installation: Manifest['installation'] }).installation,
    embedding_models: models,
    compression: 'zstd',
    encryption: key ? { algorithm: 'aes-256-gcm', key_id: key.id, data_keys: dataKeys } : null,
    tables: Object.fromEntries(tables.map(({ name, columns }) => [name, { columns, rows: sums.get(name)?.rows ?? 0, content: sums.get(name)?.digest() ?? '' }])),
    words: unsummed ? null : addWordSums(words),
    probes,
    tenants: tenants.length,
    blocks,
    parts,
  }
}

/** What a drill would compare is worth having, and no reason to be without a backup: where it cannot be computed, as it takes too long, it is left out. */
async function orElse<T>(tx: Sql, instead: T, work: () => Promise<T>): Promise<T> {
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

/** The rows of one tenant as blocks of one table each. */
async function* tenantRows(tx: Sql, tables: Table[], tenant: number, sums: Map<string, RowSum>): AsyncGenerator<Rows> {
  await actForTenant(tx, tenant)
  const filled = await filledTables(
    tx,
    tenant,
    tables.map(({ name }) => name),
  )
  for (const table of tables) {
    if (!filled.includes(table.name)) continue
    const sum = sums.get(table.name) as RowSum
    let lines: string[] = []
    let length = 0
    const block = () => ({ tenant, table: table.name, rows: lines.length, text: Buffer.from(lines.join('\n')) })
    for await (const page of pagesOf(tx, table.select(tenant))) {
      for (const line of page) {
        sum.add(line)
        lines.push(line)
        length += line.length
        if (length >= blockBytes) {
          yield block()
          lines = []
          length = 0
        }
      }
    }
    if (lines.length) yield block()
  }
}

function reportOf({ archive_id, schema_version, created_at, tenants, tables, parts, encryption }: Manifest, manifestBytes: number): BackupReport {
  return {
    archive_id,
    schema_version,
    created_at,
    tenants,
    rows: Object.values(tables).reduce((sum, table) => sum + table.rows, 0),
    bytes: parts.reduce((sum, part) => sum + part.bytes, manifestBytes),
    parts: parts.length,
    encrypted: encryption !== null,
    tables: Object.fromEntries(Object.entries(tables).map(([name, table]) => [name, table.rows])),
  }
}
