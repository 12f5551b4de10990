import { join } from 'node:path'
import pg from 'pg'
import { openEmbeddedDatabase } from '../shared/embedded/index.ts'
import type { Product } from './product.ts'
import { embeddingOf, textOf } from './texts.ts'

/** What the product is held against: the same columns in a table of their own, no vector index, no row-level security, one statement, its own commit. */
export type Bare = { insert(first: number, howMany: number): Promise<number>; close(): Promise<void> }

const table = 'create table bench_bare (id bigint generated always as identity primary key, text text not null, metadata jsonb not null, embedding halfvec(384) not null)'
type Query = (text: string, values?: unknown[]) => Promise<unknown>

export async function openBare(product: Product): Promise<Bare> {
  const { query, close } = product.adminUrl ? await onPostgres(product.adminUrl) : await onEngineOfItsOwn(join(product.folder, 'bare'))
  await query('create extension if not exists vector')
  await query(table)
  return {
    close,
    /** Milliseconds of one insert of so many rows; making them is not counted. */
    async insert(first, howMany) {
      const values = Array.from({ length: howMany }, (_, i) => [textOf(first + i), JSON.stringify({ source: 'bench', turn: first + i }), embeddingOf(first + i, 384)]).flat()
      const rows = Array.from({ length: howMany }, (_, i) => `($${i * 3 + 1}::text, $${i * 3 + 2}::jsonb, $${i * 3 + 3}::halfvec)`)
      const text = `insert into bench_bare (text, metadata, embedding) values ${rows.join(', ')}`
      const started = performance.now()
      await query(text, values)
      return performance.now() - started
    },
  }
}

async function onPostgres(url: string): Promise<{ query: Query; close(): Promise<void> }> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return { query: (text, values) => client.query(text, values), close: () => client.end() }
}

/** The server holds its data directory: the bare table gets an engine in this process, reached as the product reaches its own. */
async function onEngineOfItsOwn(dataDir: string): Promise<{ query: Query; close(): Promise<void> }> {
  const database = await openEmbeddedDatabase({ dataDir })
  return { query: (text, values) => database.maintenance((sql) => sql.query(text, values)), close: () => database.close() }
}
