import type { Database, Sql } from '../db/index.ts'
import { insertClosedPostings, insertPostings, type Worded, wordsOf } from '../words/index.ts'
import { actForTenant, type Moved, movedColumn, type Table } from './tables.ts'

export type Loader = {
  /** Sends a block of one table and tenant: `rows` are its lines, one after the other in `text`. It may still be under way when this resolves. */
  load(tenant: number, table: Table, text: Buffer, rows: readonly Buffer[]): Promise<void>
  /** Resolves when all of it is in. */
  finish(): Promise<void>
}

/** Statements on their way at once, where the connection takes more than one: the next block is made ready while the server inserts. */
const underWay = 2

/** Inserts blocks as soma_worker under forced row-level security, and the words of memories and of their closed versions with them; rows that are `moved`, as those of that tenant. */
export async function createLoader(tx: Sql, engine: Database['engine'], moved?: Moved): Promise<Loader> {
  const [type] = await tx.query<{ oid: number }>(`select 'halfvec'::regtype::oid::integer as oid`)
  const halfvec = (type as { oid: number }).oid
  const sent: Promise<unknown>[] = []
  let current: number | undefined

  async function send(work: () => Promise<unknown>): Promise<void> {
    while (sent.length >= (engine === 'pglite' ? 1 : underWay)) await sent.shift()
    const running = work()
    // the first that fails is thrown by whoever awaits it; those behind it fail for its sake
    running.catch(() => {})
    sent.push(running)
  }

  async function loadWords(tenant: number, table: Table, rows: readonly Buffer[]): Promise<void> {
    const worded = rows.map((row) => JSON.parse(row.toString()) as Worded)
    const closed = table.name === 'memory_versions'
    const words = wordsOf(closed ? worded.filter((row) => row.has_words) : worded)
    if (words[0].length) await send(() => tx.query(closed ? insertClosedPostings : insertPostings, [tenant, ...words]))
  }

  return {
    async load(tenant, table, text, rows) {
      if (tenant !== current) await send(() => actForTenant(tx, tenant))
      current = tenant
      const isVector = table.name === 'vectors' || table.name === 'closed_vectors'
      const values = isVector ? vectorBlock(rows, halfvec) : [jsonArray(text)]
      await send(() => tx.query(insertText(table, isVector, moved), values))
      if (table.name === 'memories' || table.name === 'memory_versions') await loadWords(tenant, table, rows)
    },
    async finish() {
      for (const one of sent) await one
      sent.length = 0
    },
  }
}

/** The block's own bytes as a JSON array: no newline stands inside a row, as JSON writes it \n. */
function jsonArray(text: Buffer): Buffer {
  const array = Buffer.allocUnsafe(text.length + 2)
  array[0] = 0x5b
  text.copy(array, 1)
  for (let i = array.indexOf(10, 1); i !== -1 && i <= text.length; i = array.indexOf(10, i + 1)) array[i] = 0x2c
  array[text.length + 1] = 0x5d
  return array
}

function insertText({ name, columns, types, xids }: Table, isVector: boolean, moved: Moved | undefined): string {
  const shown = (column: string) => {
    if (!moved) return `r."${column}"`
    // an event of a copy is another event: who takes each once takes both
    return name === 'outbox' && column === 'event_id' ? 'gen_random_uuid()' : movedColumn(column, `r."${column}"`, moved)
  }
  const kept = columns.filter((column) => column !== 'has_words')
  const names = [...kept, ...xids].map((column) => `"${column}"`).join(', ')
  const values = [...kept.map(shown), ...xids.map(() => 'pg_current_xact_id()')].join(', ')
  // side by side, row for row: a join by ordinality costs as much again
  const from = isVector
    ? `rows from (json_to_recordset($1::json) as (${kept
        .slice(0, -1)
        .map((column) => `"${column}" ${types[column]}`)
        .join(', ')}), unnest($2::halfvec[])) as r (${kept.map((column) => `"${column}"`).join(', ')})`
    : `json_populate_recordset(null::"${name}", $1::json) r`
  // the tenants that every schema has from the start become the archive's
  const present =
    name === 'tenants' ? ' on conflict (tenant_id) do update set name = excluded.name, status = excluded.status, limits = excluded.limits, created_at = excluded.created_at' : ''
  return `insert into "${name}" (${names}) overriding system value select ${values} from ${from}${present}`
}

const vectorMark = Buffer.from(',"embedding":"')

/** The rows without their vectors as a JSON array, and the vectors in Postgres' binary form of an array: what halfvec_send wrote goes in unchanged. */
function vectorBlock(rows: readonly Buffer[], halfvec: number): Buffer[] {
  const plain: Buffer[] = []
  const vectors: Buffer[] = []
  const head = Buffer.alloc(20)
  // one dimension, no nulls, the type, how many, counted from 1
  for (const [i, value] of [1, 0, halfvec, rows.length, 1].entries()) head.writeInt32BE(value, i * 4)
  for (const [i, row] of rows.entries()) {
    const mark = row.lastIndexOf(vectorMark)
    const vector = Buffer.from(row.toString('latin1', mark + vectorMark.length, row.length - 2), 'hex')
    const length = Buffer.alloc(4)
    length.writeInt32BE(vector.length)
    vectors.push(length, vector)
    plain.push(i === 0 ? Buffer.from('[') : Buffer.from(','), row.subarray(0, mark), Buffer.from('}'))
  }
  return [Buffer.concat([...plain, Buffer.from(']')]), Buffer.concat([head, ...vectors])]
}
