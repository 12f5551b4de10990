import { randomBytes } from 'node:crypto'
import { type Database, inSchema } from '../db/index.ts'

const prefix = 'soma_drill_'
/** `soma_drill_20261201080000_1f2e3d4c` */
export const scratchName = (at: Date): string => `${prefix}${at.toISOString().replaceAll(/\D/g, '').slice(0, 14)}_${randomBytes(4).toString('hex')}`
const isScratch = (name: string) => /^soma_drill_\d{14}_[0-9a-f]{8}$/.test(name)

/** A new, empty schema beside the live one, and the database as it looks from there. @throws Error that says what right is missing */
export async function createScratch(owner: Database, name: string): Promise<Database> {
  await owner.maintenance(async (sql) => {
    await sql.query(`create schema "${name}"`).catch((cause) => {
      const denied = cause instanceof Error && 'code' in cause && cause.code === '42501'
      throw denied ? new Error('The login of POSTGRES_MIGRATION_URL may not create a schema to restore into: run "grant create on database <name> to <login>".', { cause }) : cause
    })
  })
  return inSchema(owner, name)
}

/** Table by table, as one statement would need a lock on everything at once. What is gone already is no error. */
export async function dropScratch(owner: Database, name: string): Promise<void> {
  if (!isScratch(name)) throw new Error(`"${name}" is no schema of a drill.`)
  await owner.maintenance(async (sql) => {
    const tables = await sql.query<{ name: string }>(
      `select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1::text and c.relkind in ('r', 'p') and not c.relispartition`,
      [name],
    )
    for (const table of tables) await sql.query(`drop table if exists "${name}"."${table.name.replaceAll('"', '""')}" cascade`)
    await sql.query(`drop schema if exists "${name}" cascade`)
  })
}

/** The schemas of drills that are in the database. */
export async function scratches(owner: Database): Promise<string[]> {
  const rows = await owner.maintenance((sql) => sql.query<{ name: string }>(`select nspname as name from pg_namespace where starts_with(nspname, '${prefix}') order by nspname`))
  return rows.map(({ name }) => name).filter(isScratch)
}
