import { randomUUID } from 'node:crypto'
import type { Database, Sql } from '../db/index.ts'
import { appendAudit, systemTenantId, TenantIn } from '../tenant/index.ts'
import { totalRows } from './backup.ts'
import { contentsOf } from './contents.ts'
import { ArchiveError, type Manifest, probesTable } from './format.ts'
import { wakeTenant, writeSequences } from './installation.ts'
import { createLoader } from './load.ts'
import type { Place } from './place.ts'
import { type Archive, openArchive } from './read.ts'
import { mayNotAct, type RestoreOptions } from './restore.ts'
import { addSums, createRowSum, type RowSum, rowSumSql } from './row-hash.ts'
import { type ArchivedTable, actForTenant, type Moved, setForms, type Table } from './tables.ts'
import { actAs, columnsOf, refuseOtherCode } from './target.ts'

export type TenantRestoreReport = { archive_id: string; created_at: string; tenant: string; as: string; rows: number; tables: Record<string, number> }
export type TenantRestoreOptions = Omit<RestoreOptions, 'onProbes' | 'onContents'> & {
  /** Its name in the archive, and the name of the new tenant that gets its rows. */
  tenant: string
  as: string
}

/**
 * What a copy of a tenant does not get: keys, whose texts have the number of the tenant that they were made for; operations and answers to repeated requests, which belong to who asked; and the log of what was
 * done to the other.
 */
const left: readonly string[] = ['tenants', 'api_keys', 'operations', 'idempotency', 'audit_log', 'audit_chain', 'audit_checkpoints', 'audit_heads'] satisfies ArchivedTable[]

const statementMs = 6 * 3_600_000

/**
 * Brings one tenant of an archive into an installation that is at work, as a new tenant under another name: everybody else goes on, and nothing that the lost future of that tenant has left in topics or caches
 * can reach it, since it has another number. One transaction: after it the tenant is there as it was at the archive's instant, or nothing has changed.
 * @throws ArchiveError for whatever is wrong with the archive, when it has no such tenant, or when the name is taken
 */
export async function restoreTenant(owner: Database, place: Place, options: TenantRestoreOptions): Promise<TenantRestoreReport> {
  const named = TenantIn.shape.name.safeParse(options.as)
  if (!named.success) throw new ArchiveError(`"${options.as}" is no name of a tenant: it ${named.error.issues[0]?.message}.`)
  const archive = await openArchive(place, options.key)
  refuseOtherCode(archive.manifest)
  const row = await findTenant(archive, options)
  const counts = await owner
    .transaction({ role: 'soma_worker', tenantId: null, timeoutMs: statementMs }, (tx) => fill(tx, owner.engine, archive, row, options))
    .catch((error) => {
      throw mayNotAct(error) ?? error
    })
  const { archive_id, created_at } = archive.manifest
  const rows = Object.values(counts).reduce((sum, count) => sum + count, 0)
  return { archive_id, created_at, tenant: options.tenant, as: options.as, rows, tables: counts }
}

type TenantRow = { tenant_id: number; name: string; status: string; limits: unknown }

/** Reads the whole archive, so that nothing is begun with one that is damaged. */
async function findTenant(archive: Archive, { tenant: name, signal, onProgress }: TenantRestoreOptions): Promise<TenantRow> {
  let found: TenantRow | undefined
  let rows = 0
  const total = totalRows(archive.manifest)
  for await (const { table, lines } of contentsOf(archive).rows()) {
    refuseStopped(signal)
    rows += table === probesTable ? 0 : lines.length
    onProgress?.('verify', rows, total)
    if (table !== 'tenants') continue
    found ??= lines.map((line) => JSON.parse(line.toString()) as TenantRow).find((row) => row.name === name)
  }
  if (!found) throw new ArchiveError(`The archive has no tenant "${name}".`)
  return found
}

async function fill(tx: Sql, engine: Database['engine'], archive: Archive, from: TenantRow, { as, signal, onProgress }: TenantRestoreOptions): Promise<Record<string, number>> {
  const { manifest } = archive
  await setForms(tx)
  const [collection] = await tx.query('select from vector_collections limit 1')
  if (collection)
    throw new ArchiveError(
      'A second vector engine is in use, which names vectors by the number of a memory: a copy beside the original would replace its vectors. Restore the whole archive into an empty database, and take the tenant from there with `npx soma export` and `npx soma import`.',
    )
  // at the end it sets sequences: a login that may not is told now
  await actAs(tx, 'soma_owner')
  await actAs(tx, 'soma_worker')
  const tables = await columnsOf(tx, manifest)
  const [created] = await tx.query<{ tenant_id: number }>(
    'insert into tenants (name, status, limits) values ($1::text, $2::text, $3::jsonb) on conflict (name) do nothing returning tenant_id',
    [as, from.status, JSON.stringify(from.limits)],
  )
  if (!created) throw new ArchiveError(`There is a tenant "${as}" already: name another with --as.`)
  const moved: Moved = { from: from.tenant_id, to: created.tenant_id, models: await modelsOf(tx, manifest, from.tenant_id) }
  const carried = tables.filter(({ name }) => !left.includes(name))
  const loader = await createLoader(tx, engine, moved)
  const sums = new Map<string, RowSum>(carried.map(({ name }) => [name, createRowSum()]))
  const total = carried.reduce((sum, { name }) => sum + (manifest.contents[from.tenant_id]?.[name]?.rows ?? 0), 0)
  let rows = 0
  for await (const { tenant, table: name, text, lines } of contentsOf(archive).rows()) {
    const table = carried.find((one) => one.name === name)
    if (tenant !== from.tenant_id || !table) continue
    refuseStopped(signal)
    await loader.load(moved.to, table, text, lines)
    for (const line of lines) sums.get(name)?.add(line)
    rows += lines.length
    onProgress?.('load', rows, total)
  }
  await loader.finish()
  await check(tx, carried, moved, sums)
  await wakeTenant(tx, moved.to)
  const told = { archive_id: manifest.archive_id, instant: manifest.created_at, tenant: from.name }
  for (const tenantId of [systemTenantId, moved.to]) {
    await actForTenant(tx, tenantId)
    await appendAudit(tx, { tenantId, actor: 'restore', requestId: randomUUID() }, 'tenant.restore', as, told)
  }
  await writeSequences(tx, [moved.to])
  return Object.fromEntries(carried.map(({ name }) => [name, sums.get(name)?.rows ?? 0]))
}

/** The archive's models by name: an installation that has seen others first has them under other keys. */
async function modelsOf(tx: Sql, { embedding_models: models, contents }: Manifest, tenant: number): Promise<Map<number, number>> {
  const keys = new Map<number, number>()
  const { vectors, closed_vectors: closed } = contents[tenant] ?? {}
  for (const { model_key, name, dimension } of vectors || closed ? models : []) {
    const [known] = await tx.query('select from embedding_models where name = $1::text and dimension = $2::integer', [name, dimension])
    // whoever wants to make it too waits until the end
    if (!known) await tx.query('insert into embedding_models (name, dimension) values ($1::text, $2::integer) on conflict (name, dimension) do nothing', [name, dimension])
    const [row] = await tx.query<{ model_key: number }>('select model_key from embedding_models where name = $1::text and dimension = $2::integer', [name, dimension])
    keys.set(model_key, (row as { model_key: number }).model_key)
  }
  return keys
}

/** Counts and hashes what is in the tables now, by SQL, as if it had its old number, and holds it against what was read. */
async function check(tx: Sql, tables: readonly Table[], moved: Moved, sums: ReadonlyMap<string, RowSum>): Promise<void> {
  await actForTenant(tx, moved.to)
  for (const table of tables) {
    const found = await tx.query<{ rows: string; sums: string[] }>(rowSumSql(table.selectMoved(moved)))
    const wanted = sums.get(table.name)
    // an event is another one there
    const same = table.name === 'outbox' || addSums(found) === wanted?.digest()
    if (Number(found[0]?.rows) !== wanted?.rows || !same)
      throw new ArchiveError(`After loading, the table ${table.name} holds ${found[0]?.rows} rows that are not the ${wanted?.rows} of the archive: nothing was kept.`)
  }
}

function refuseStopped(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new Error('The restore was stopped before it was whole: there is no new tenant.', { cause: signal.reason })
}
