import { type Sql, schemaVersion } from '../db/index.ts'
import { tokenizerRevision } from '../text/index.ts'
import { ArchiveError, type Manifest } from './format.ts'
import { actForTenant, archivedTables, readTables, rebuiltTables, remadeTables, type Table } from './tables.ts'

/** The tenants that a migrated schema has from the start: system and default. */
const firstTenants = [0, 1]

/** What can be told without looking at the target. @throws ArchiveError */
export function refuseOtherCode(manifest: Manifest): void {
  if (manifest.schema_version !== schemaVersion) {
    throw new ArchiveError(
      `The archive has schema ${manifest.schema_version}, this version of Soma has schema ${schemaVersion}: restore it with the version that wrote it, then migrate.`,
    )
  }
  // words are counted again by a restore, so by the rules of this code; rules that are not known yet may find what these cannot
  if (manifest.tokenizer > tokenizerRevision) {
    throw new ArchiveError(
      `The archive's words were counted by tokenizer ${manifest.tokenizer}, this version of Soma has tokenizer ${tokenizerRevision}: restore it with the version that wrote it.`,
    )
  }
}

export async function actAs(tx: Sql, role: 'soma_owner' | 'soma_worker'): Promise<void> {
  await tx.query(`select set_config('role', $1::text, true)`, [role])
}

/** The tables of the target, which has the archive's columns. @throws ArchiveError */
export async function columnsOf(tx: Sql, manifest: Manifest): Promise<Table[]> {
  const tables = await readTables(tx)
  for (const { name, columns, key } of tables) {
    const told = manifest.tables[name]
    if (columns.join() !== told?.columns.join() || key.join() !== told.key.join()) throw new ArchiveError(`The archive's table ${name} has other columns than the target's.`)
  }
  return tables
}

/** Keeps every writer out until the end of the transaction, and makes sure that nothing is there that a restore would mix with. @throws ArchiveError */
export async function claimTarget(tx: Sql, manifest: Manifest): Promise<Table[]> {
  const [row] = await tx.query<{ version: number }>('select max(version) as version from schema_migrations')
  if (row?.version !== manifest.schema_version)
    throw new ArchiveError(`The target has schema ${row?.version ?? 0}, the archive has schema ${manifest.schema_version}: run \`npx soma migrate\` first.`)
  const all = [...archivedTables, ...rebuiltTables, ...remadeTables]
  await actAs(tx, 'soma_owner')
  await tx.query(`lock table installation, embedding_models, embedding_roles, ${all.map((name) => `"${name}"`).join(', ')} in exclusive mode`)
  await actAs(tx, 'soma_worker')
  const tables = await columnsOf(tx, manifest)
  const refuse = (what: string) => new ArchiveError(`The target is not empty (${what}): restore into a new database, right after \`npx soma migrate\`.`)
  const tenants = await tx.query<{ tenant_id: number; name: string }>('select tenant_id, name from tenants order by tenant_id')
  const other = tenants.find(({ tenant_id: id }) => !firstTenants.includes(id))
  if (other) throw refuse(`it has the tenant ${other.name}`)
  const [model] = await tx.query<{ name: string }>('select name from embedding_models limit 1')
  if (model) throw refuse(`it has the embedding model ${model.name}`)
  for (const { tenant_id: tenant, name } of tenants) {
    await actForTenant(tx, tenant)
    const held = await tx.query<{ table: string }>(
      all
        .filter((table) => table !== 'tenants')
        .map((table) => `select '${table}' as table where exists (select from "${table}" t where t.tenant_id = $1::integer)`)
        .join(' union all '),
      [tenant],
    )
    if (held[0]) throw refuse(`the tenant ${name} has rows in ${held.map(({ table }) => table).join(', ')}`)
  }
  return tables
}
