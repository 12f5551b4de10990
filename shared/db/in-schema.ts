import type { Database, Sql } from './database.ts'

/**
 * The same database with `schema` before all others: statements name none, so they find their tables there, and make them there. What it has not is looked for in
 * public, where extensions are. Plans are not kept: a connection's are of the schema that it usually has.
 */
export function inSchema(db: Database, schema: string): Database {
  const path = `"${schema.replaceAll('"', '""')}", public`
  const set = (sql: Sql, local: boolean) => sql.query(`select set_config('search_path', $1::text, $2::boolean)`, [path, local])
  const transaction: Database['transaction'] = ({ plans: _plans, ...access }, work) =>
    db.transaction(access, async (tx) => {
      await set(tx, true)
      return work(tx)
    })
  return {
    engine: db.engine,
    transaction,
    statement: (access, text, values) => transaction(access, (tx) => tx.query(text, values)),
    maintenance: (work) =>
      db.maintenance(async (sql) => {
        await set(sql, false)
        try {
          return await work(sql)
        } finally {
          await sql.query('reset search_path')
        }
      }),
    close: async () => {},
  }
}
