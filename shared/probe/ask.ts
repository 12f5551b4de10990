import type { Database, Sql } from '../db/index.ts'
import { recall } from '../recall/index.ts'
import type { Ctx } from '../tenant/index.ts'
import type { Answer, Answers, Question } from './probe.ts'

/** How many answers of a question are kept. */
const depth = 10

/** Asks a question in the very transaction: by its words (and the vector, as far as the model's weight goes), and by the vector alone. The tenant is the transaction's. */
export async function askQuestion(tx: Sql, tenantId: number, question: Question): Promise<Answers> {
  return { words: await answer(tx, tenantId, question, question.model ? 'hybrid' : 'lexical'), meaning: question.model ? await answer(tx, tenantId, question, 'vector') : null }
}

async function answer(tx: Sql, tenantId: number, { namespace, user_id: user, query, valid_at, model }: Question, mode: 'hybrid' | 'lexical' | 'vector'): Promise<Answer> {
  const vector = Float32Array.from(model?.vector ?? [])
  const embedder = { model: model?.name ?? 'none', dimension: model?.dimension ?? 1, embed: async () => [vector] }
  const { results } = await recall(
    contextOf(tx, tenantId),
    // what waits for its vector would have to be embedded: it is left out on both sides
    { embedder, only: embedder, onDegraded: () => {}, generation: async () => 1 },
    { query, namespace, ...(user === null ? {} : { user_id: user }), mode, top_k: depth, valid_at, consistency: 'eventual' },
  )
  return results.map(({ id, version, score }) => [id, version, score])
}

/** A caller who may read, over a database that is this one transaction. */
function contextOf(tx: Sql, tenantId: number): Ctx {
  const database: Database = {
    engine: 'postgres',
    transaction: (_access, work) => work(tx),
    statement: (_access, text, values) => tx.query(text, values),
    maintenance: () => Promise.reject(new Error('A question is asked in one transaction.')),
    close: async () => {},
  }
  return {
    tenantId,
    tenant: String(tenantId),
    actor: 'probe',
    scopes: new Set(['memory:read']),
    limits: {},
    app: database,
    worker: database,
    requestId: 'probe',
    // of replay tokens that nobody gets
    signingKey: 'probe',
  }
}
