import { adminSql } from '../db/admin.ts'
import type { Caller, Product } from './engines.ts'
import { answersOf, type ModelServer, startModelServer } from './model-server.ts'

export const dimension = 48
export const turnModel = 'a-model+previous-turn'

let server: ModelServer | undefined
export const turnServer = () => server as ModelServer
/** Starts the embedding server, once a test file; answers the environment of a product that embeds turns by it. */
export async function startTurnServer(): Promise<Record<string, string>> {
  server ??= await startModelServer(dimension)
  return { EMBEDDER: 'http', EMBEDDING_URL: server.url, EMBEDDING_MODEL: 'a-model', EMBEDDING_DIM: String(dimension), BREAKER_FAILURES: '1000' }
}
export const stopTurnServer = () => server?.close()

const start = Date.UTC(2024, 2, 1)
/** A turn of a dialogue: by Ada and Ben in turns, a minute after each other. */
export const turn = (n: number, text: string, more: object = {}) => ({
  text,
  speaker: n % 2 ? 'Ben' : 'Ada',
  session_id: 's',
  occurred_at: new Date(start + n * 60_000).toISOString(),
  ...more,
})

type Row = { memory_key: string; session_key: string | null; at: string; text: string; speaker: string | null; expires: string | null; embedding: string | null; waits: boolean }
export type Turns = { vectors: number; waiting: string[] /** Texts whose vector is another one than that of what was said before and this. */; wrong: string[] }

/** Holds a tenant's vectors against what the tables say now, put together here and not by the product's own SQL. */
export async function checkTurns(product: Product, caller: Caller, model = turnModel): Promise<Turns> {
  const rows = await adminSql<Row>(
    product,
    `select m.memory_key, m.session_key, m.occurred_at::text as at, m.text, m.speaker, m.expires_at::text as expires, v.embedding::text as embedding,
       exists (select from vector_pending q where q.tenant_id = m.tenant_id and q.memory_key = m.memory_key) as waits
     from memories m left join (select v.* from vectors v join embedding_models e on e.model_key = v.model_key where e.name = $2::text) v
       on v.tenant_id = m.tenant_id and v.memory_key = m.memory_key and v.version = m.version
     where m.tenant_id = $1::integer order by m.session_key, m.occurred_at, m.memory_key`,
    [caller.tenantId, model],
  )
  const line = ({ speaker, text }: Row) => (speaker ? `${speaker}: ${text}` : text)
  const expected = rows.map((row, i) => {
    const before = rows[i - 1]
    const follows =
      before && row.session_key !== null && before.session_key === row.session_key && (before.expires === null || (row.expires !== null && before.expires >= row.expires))
    if (!model.endsWith('+previous-turn')) return row.text
    return follows ? `${line(before)}\n${line(row)}` : line(row)
  })
  const vectors = answersOf(expected, dimension)
  const wrong = rows.filter(({ embedding }, i) => embedding !== null && cosine(Float32Array.from(JSON.parse(embedding)), vectors[i] as Float32Array) < 0.999)
  return {
    vectors: rows.filter(({ embedding }) => embedding !== null).length,
    waiting: rows.filter(({ waits }) => waits).map(({ text }) => text),
    wrong: wrong.map(({ text }) => text),
  }
}

export const cosine = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + value * (b[i] as number), 0)

/** What the server was asked for since this was called last. */
export function asked(): string[] {
  return turnServer().asked.splice(0).flat()
}
