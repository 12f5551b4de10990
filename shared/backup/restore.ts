import { type Database, type Sql, schemaVersion } from '../db/index.ts'
import { Probe } from '../probe/index.ts'
import { totalRows } from './backup.ts'
import { type Contents, contentsOf } from './contents.ts'
import { ArchiveError, type Manifest, probesTable } from './format.ts'
import { analyze, dropHeavyIndexes } from './indexes.ts'
import { wakeTenant, writeInstallation, writeSequences } from './installation.ts'
import type { BackupKey } from './keys.ts'
import { createLoader } from './load.ts'
import type { Place } from './place.ts'
import { type Archive, openArchive, storedRows, verifyArchive } from './read.ts'
import { addSums, rowSumSql } from './row-hash.ts'
import { actForTenant, setForms, type Table } from './tables.ts'
import { claimTarget, refuseOtherCode } from './target.ts'

export type RestoreReport = {
  archive_id: string
  created_at: string
  tenants: number
  rows: number
  archives: number
  generation: number
  encrypted: boolean
  tables: Record<string, number>
}
/** What is under way: the archive is read and authenticated, its rows are loaded, then everything that came of it is checked. */
export type RestoreStep = 'verify' | 'load' | 'check'
export type RestoreOptions = {
  key?: BackupKey | undefined
  signal?: AbortSignal | undefined
  onProgress?: ((step: RestoreStep, rows: number, total: number) => void) | undefined
  /** Hears each tenant's questions and what the database answered that the archive is of. */
  onProbes?: ((tenant: number, probes: Probe[]) => void) | undefined
  /** Hears the manifest, with the rows and hashes of all tables as they were at the archive's instant, whatever it builds on. */
  onContents?: ((manifest: Manifest) => void) | undefined
}

/** One statement may build an index over all words there are. */
const statementMs = 6 * 3_600_000

/**
 * Fills an empty, migrated database with an archive, as one transaction: after it everything is as the archive's instant was, in a new generation, or
 * nothing has changed. `owner` is the login that migrates: it acts as soma_worker for the rows and as soma_owner for what is the installation's.
 * @throws ArchiveError for whatever is wrong with the archive or with the target, before and after loading
 */
export async function restore(owner: Database, place: Place, options: RestoreOptions = {}): Promise<RestoreReport> {
  const archive = await openArchive(place, options.key)
  const { manifest } = archive
  refuseOtherCode(manifest)
  const stored = storedRows(archive)
  const verified = await verifyArchive(archive, false, (rows) => {
    refuseStopped(options.signal)
    options.onProgress?.('verify', rows, stored)
  })
  const filled = await owner
    .transaction({ role: 'soma_worker', tenantId: null, timeoutMs: statementMs }, (tx) => fill(tx, owner.engine, archive, options))
    .catch((error) => {
      throw mayNotAct(error) ?? error
    })
  const tables = Object.fromEntries(Object.entries(filled.manifest.tables).map(([name, table]) => [name, table.rows]))
  options.onContents?.(filled.manifest)
  const { archive_id, created_at, tenants } = manifest
  const { archives, encrypted } = verified
  return { archive_id, created_at, tenants, rows: totalRows(manifest), archives, generation: filled.generation, encrypted, tables }
}

async function fill(tx: Sql, engine: Database['engine'], archive: Archive, { signal, onProgress, onProbes }: RestoreOptions): Promise<{ generation: number; manifest: Manifest }> {
  const total = totalRows(archive.manifest)
  await setForms(tx)
  const tables = await claimTarget(tx, archive.manifest)
  const generation = await writeInstallation(tx, archive.manifest)
  const contents = contentsOf(archive)
  const makeIndexes = await dropHeavyIndexes(tx, engine)
  const onRows = (rows: number) => {
    refuseStopped(signal)
    onProgress?.('load', rows, total)
  }
  const loaded = await loadContents(tx, engine, contents, tables, { onRows, onProbes })
  const manifest = contents.manifest()
  if (loaded.size !== manifest.tenants) throw new ArchiveError(`The archive has rows of ${loaded.size} tenants, its manifest says ${manifest.tenants}: nothing was kept.`)
  await makeIndexes()
  await analyze(tx)
  await check(tx, manifest, tables, loaded, (rows) => {
    refuseStopped(signal)
    onProgress?.('check', rows, total)
  })
  for (const tenant of loaded.keys()) await wakeTenant(tx, tenant)
  // rows of an older tokenizer say so still, and their lengths are theirs: the job looks at all of them
  await tx.query('delete from words_recounted')
  // last: of all that is done here, only this is not undone by a rollback
  await writeSequences(tx, [...loaded.keys()])
  return { generation, manifest }
}

/** By tenant: the tables it has rows of, and how many. */
type Loaded = Map<number, Map<string, number>>
type Heard = { onRows: (rows: number) => void; onProbes: RestoreOptions['onProbes'] }

async function loadContents(tx: Sql, engine: Database['engine'], contents: Contents, tables: Table[], heard: Heard): Promise<Loaded> {
  const byName = new Map<string, Table>(tables.map((table) => [table.name, table]))
  const loader = await createLoader(tx, engine)
  const loaded: Loaded = new Map()
  let rows = 0
  for await (const { tenant, table, text, lines } of contents.rows()) {
    if (table === probesTable) {
      heard.onProbes?.(tenant, lines.map(probeOf))
      continue
    }
    await loader.load(tenant, byName.get(table) as Table, text, lines)
    const counts = loaded.get(tenant) ?? new Map<string, number>()
    loaded.set(tenant, counts.set(table, (counts.get(table) ?? 0) + lines.length))
    rows += lines.length
    heard.onRows(rows)
  }
  await loader.finish()
  return loaded
}

function probeOf(line: Buffer): Probe {
  const read = Probe.safeParse(JSON.parse(line.toString()))
  if (!read.success) throw new ArchiveError('A question of the archive is not one that a backup writes.', { cause: read.error })
  return read.data
}

/** Counts and hashes what is in the tables now, by SQL, and holds it against the manifest. */
async function check(tx: Sql, manifest: Manifest, tables: Table[], loaded: Loaded, onRows: (rows: number) => void): Promise<void> {
  const found = new Map<string, { rows: string; sums: string[] }[]>(tables.map(({ name }) => [name, []]))
  let done = 0
  // requests go without parallel workers; this reads whole tables
  await tx.query(`select set_config('max_parallel_workers_per_gather', '2', true)`)
  for (const [tenant, counts] of loaded) {
    await actForTenant(tx, tenant)
    for (const table of tables) {
      const rows = counts.get(table.name)
      if (rows === undefined) continue
      found.get(table.name)?.push(...(await tx.query<{ rows: string; sums: string[] }>(rowSumSql(table.select(tenant)))))
      done += rows
      onRows(done)
    }
    await refuseUnknownModels(tx, manifest, tenant)
  }
  for (const [name, parts] of found) {
    const { rows, content } = manifest.tables[name] as Manifest['tables'][string]
    const count = parts.reduce((sum, part) => sum + Number(part.rows), 0)
    if (count !== rows || addSums(parts) !== content) {
      throw new ArchiveError(`After loading, the table ${name} holds ${count} rows that are not the ${rows} of the archive: nothing was kept.`)
    }
  }
}

/** A vector means nothing without the name of its model: it would be read as if there were none, and embedded again for nothing. */
async function refuseUnknownModels(tx: Sql, { embedding_models: models }: Manifest, tenant: number): Promise<void> {
  const known = models.map((model) => model.model_key)
  const [stray] = await tx.query<{ model_key: number }>(
    `(select v.model_key from vectors v where v.tenant_id = $1::integer and v.model_key <> all ($2::smallint[]) limit 1)
     union all (select v.model_key from closed_vectors v where v.tenant_id = $1::integer and v.model_key <> all ($2::smallint[]) limit 1)`,
    [tenant, known],
  )
  if (stray) throw new ArchiveError(`The archive has vectors of the embedding model ${stray.model_key}, which its manifest does not name: nothing was kept.`)
}

function refuseStopped(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new Error('The restore was stopped before it was whole: the target is as it was.', { cause: signal.reason })
}

/** The login may not act as one of the roles: says what to grant. */
export function mayNotAct(error: unknown): ArchiveError | undefined {
  if (!(error instanceof Error && 'code' in error && error.code === '42501')) return undefined
  return new ArchiveError(
    `The login of the restore may not do what it takes (${error.message}): run "grant soma_owner, soma_worker to <login>" as a superuser, or migrate with it to schema ${schemaVersion}.`,
    {
      cause: error,
    },
  )
}
