import { createRequire } from 'node:module'
import { join } from 'node:path'
import pg from 'pg'
import { createHttp } from '../http.ts'
import { atMost, type Client, dimension, type Item, tenant, topK } from './protocol.ts'

type Setting = { url: string; folder: string; vectorOf(text: string): number[] }
/** Where the packages of a peer are installed: they are none of the project's. */
const packaged = (path: string) => createRequire(join(process.env.PEER_PACKAGES ?? '', 'package.json'))(path)

/** What the harness runs in a process each, by name. */
export const clients: Record<string, (setting: Setting) => Promise<Client>> = {
  soma: async ({ url }) => soma(url),
  bare: (setting) => bare(setting, []),
  'bare-hnsw': (setting) => bare(setting, ['create index on memories using hnsw (embedding vector_cosine_ops)']),
  'langgraph-js': langgraph,
  'mem0-js': mem0,
}

function soma(url: string): Client {
  const http = createHttp(url)
  return {
    store(user, items) {
      const key = `store-${items[0]?.number}`
      const [memory, ...more] = items.map(({ text }) => ({ text, user_id: user }))
      return more.length === 0 ? http.post('/v1/memories', memory, key) : http.post('/v1/memories/bulk', { items: [memory, ...more] }, key)
    },
    async search(user, { text }, way) {
      const { results } = await http.post<{ results: { text: string }[] }>('/v1/recall', { query: text, user_id: user, top_k: topK, ...(way ? { mode: way } : {}) })
      return results.map((one) => one.text)
    },
  }
}

/** Bare SQL: no keys of idempotency, no words, no history, nothing but the vector and whose it is. */
async function bare({ url, vectorOf }: Setting, indexes: string[]): Promise<Client> {
  // it lets its connections go before the other peers open theirs: the server takes 100
  const pool = new pg.Pool({ connectionString: url, max: atMost, idleTimeoutMillis: 500 })
  const text = (of: string) => `[${vectorOf(of).join(',')}]`
  await pool.query('create extension if not exists vector')
  await pool.query(
    `create table memories (id bigint generated always as identity primary key, tenant text not null, user_id text not null, text text not null, embedding vector(${dimension}) not null)`,
  )
  for (const index of ['create index on memories (tenant, user_id)', ...indexes]) await pool.query(index)
  return {
    store: (user, items) =>
      pool.query('insert into memories (tenant, user_id, text, embedding) select $1, $2, t, e::vector from unnest($3::text[], $4::text[]) as given (t, e)', [
        tenant,
        user,
        items.map((item) => item.text),
        items.map((item) => text(item.text)),
      ]),
    async search(user, question) {
      const { rows } = await pool.query(`select text from memories where tenant = $1 and user_id = $2 order by embedding <=> $3 limit ${topK}`, [tenant, user, text(question.text)])
      return rows.map((row) => row.text)
    },
  }
}

type Found = { value: { text: string } }
type LangGraphStore = {
  setup(): Promise<void>
  put(namespace: string[], key: string, value: Found['value']): Promise<void>
  batch(puts: { namespace: string[]; key: string; value: Found['value'] }[]): Promise<unknown>
  search(namespace: string[], options: { query: string; limit: number; mode?: string }): Promise<Found[]>
}

/** The key is the application's, so a store that is repeated overwrites. */
async function langgraph({ url, vectorOf }: Setting): Promise<Client> {
  const { PostgresStore } = packaged('@langchain/langgraph-checkpoint-postgres/store') as { PostgresStore: new (options: object) => LangGraphStore }
  const embed = async (texts: string[]) => texts.map(vectorOf)
  const store = new PostgresStore({ connectionOptions: { connectionString: url, max: atMost }, index: { dims: dimension, embed, fields: ['text'] } })
  await store.setup()
  const put = (user: string, { number, text }: Item) => ({ namespace: [tenant, user], key: `memory-${number}`, value: { text } })
  return {
    store(user, items) {
      const [first, ...more] = items.map((item) => put(user, item))
      return first && more.length === 0 ? store.put(first.namespace, first.key, first.value) : store.batch(items.map((item) => put(user, item)))
    },
    async search(user, { text }, way) {
      const found = await store.search([tenant, user], { query: text, limit: topK, ...(way ? { mode: way } : {}) })
      return found.map(({ value }) => value.text)
    },
  }
}

type Message = { role: 'user'; content: string }
type Mem0Memory = {
  add(messages: string | Message[], options: { userId: string; infer: false }): Promise<unknown>
  search(query: string, options: { topK: number; filters: { user_id: string } }): Promise<{ results: { memory: string }[] }>
  getAll(options: { filters: { user_id: string } }): Promise<unknown>
}

/** `infer: false`: no language model is asked, a text is stored as it is. */
async function mem0({ url, folder, vectorOf }: Setting): Promise<Client> {
  const { Memory } = packaged('mem0ai/oss') as { Memory: new (options: object) => Mem0Memory }
  const model = { embedQuery: async (text: string) => vectorOf(text), embedDocuments: async (texts: string[]) => texts.map(vectorOf) }
  const memory = new Memory({
    embedder: { provider: 'langchain', config: { model } },
    vectorStore: { provider: 'pgvector', config: { connectionString: url, collectionName: 'memories', embeddingModelDims: dimension, dimension } },
    llm: { provider: 'openai', config: { apiKey: 'unused' } },
    historyStore: { provider: 'sqlite', config: { historyDbPath: join(folder, 'mem0-js-history.db') } },
  })
  await memory.getAll({ filters: { user_id: 'nobody' } }) // it connects at its first use
  return {
    store(userId, items) {
      const [only, ...more] = items.map(({ text }): Message => ({ role: 'user', content: text }))
      return memory.add(only && more.length === 0 ? only.content : items.map(({ text }): Message => ({ role: 'user', content: text })), { userId, infer: false })
    },
    async search(user, { text }) {
      const { results } = await memory.search(text, { topK, filters: { user_id: user } })
      return results.map((one) => one.memory)
    },
  }
}
