import { expect } from 'vitest'
import { type Embedder, type Embedders, hashEmbedder } from '../../shared/embed/index.ts'
import { dropModel, introduceModel, type ReembedDeps, reembed, switchModel } from '../../shared/model/index.ts'
import { adminSql } from '../db/admin.ts'
import type { Caller, Product } from './engines.ts'
import { answersOf, type ModelServer, startModelServer } from './model-server.ts'

/** The built-in model, which is searched at first, and the one of a real server on loopback that is introduced. */
export const oldModel = 'hash-trigram-1'
export const newModel = 'new-model'
const dimension = 48
const operator = { actor: 'test', requestId: 'test' }

let server: ModelServer | undefined
const of = () => server as ModelServer

/** Starts the server of the new model, once a test file; answers the environment that introduces it. */
export async function startNewModel(): Promise<Record<string, string>> {
  server ??= await startModelServer(dimension)
  return {
    EMBEDDER_NEXT: 'http',
    EMBEDDING_NEXT_URL: of().url,
    EMBEDDING_NEXT_MODEL: newModel,
    EMBEDDING_NEXT_DIM: String(dimension),
    EMBEDDING_NEXT_CONTEXT: 'none',
    REEMBED_PER_SECOND: '100000',
    BREAKER_FAILURES: '1000',
  }
}
export const stopNewModel = () => server?.close()

/** The steps of a model's way, on a product that was opened with that environment. */
export function modelsOf(product: () => Product) {
  const embedder = hashEmbedder(384)
  const next = () => of().embedder(newModel)
  /** Asks no server: a test may have stopped it. */
  const references: Embedder[] = [embedder, { model: newModel, dimension, embed: async (texts) => answersOf(texts, dimension) }]
  const worker = () => product().local.db.worker
  const deps = (): ReembedDeps => ({ worker: worker(), embedder, next: next(), perSecond: 100_000, onRefused: () => {} })
  const signal = new AbortController().signal
  return {
    server: of,
    deps,
    introduce: () => introduceModel(worker(), deps(), operator),
    introduceWith: (embedders: Embedders) => introduceModel(worker(), embedders, operator),
    switchTo: (name: string, force = false) => switchModel(worker(), name, operator, { force, signal }),
    drop: (name: string) => dropModel(worker(), name, operator),
    /** The job, as a process runs it. */
    run: (more: Partial<ReembedDeps> = {}) => reembed({ ...deps(), ...more }, signal),
    /** As if no model had ever been introduced. */
    async reset() {
      of().before = async () => 200
      await adminSql(product(), 'delete from embedding_roles')
      await adminSql(product(), 'update embedding_models set dropped_at = null')
      for (const table of ['vectors', 'closed_vectors'])
        await adminSql(product(), `delete from ${table} v using embedding_models e where e.model_key = v.model_key and e.name = '${newModel}'`)
    },
    /** By which model's vectors this query is answered: every result's cosine is held against both. @throws when results are of both, or of neither */
    async answeredBy(caller: Caller, query: string, more: object = {}): Promise<string> {
      const { body } = await product().call(caller, 'POST', '/v1/recall', { query, mode: 'vector', explain: true, top_k: 100, ...more })
      expect(body.degraded_reasons, query).toEqual([])
      return modelOfCosines(query, body.results, references)
    },
    /** Texts of all vectors that are not those of their version's text, by model; and how many there are. */
    checkVectors: (caller: Caller) => checkVectors(product(), caller, references),
  }
}

type Result = { text: string; explain: { cosine: number | null } }
async function modelOfCosines(query: string, results: Result[], embedders: Embedder[]): Promise<string> {
  expect(results.length, `results for ${query}`).toBeGreaterThan(1)
  const fits = await Promise.all(
    embedders.map(async ({ model, embed }) => {
      const [asked, ...found] = await embed([query, ...results.map(({ text }) => text)])
      const off = results.map(({ explain }, i) => Math.abs((explain.cosine ?? 9) - dot(asked as Float32Array, found[i] as Float32Array)))
      return { model, fits: off.every((one) => one < 0.002) }
    }),
  )
  const models = fits.filter((one) => one.fits).map(({ model }) => model)
  expect(models, `the results for "${query}" are of one model`).toHaveLength(1)
  return models[0] as string
}

async function checkVectors(product: Product, caller: Caller, embedders: Embedder[]): Promise<Record<string, { present: number; closed: number; wrong: string[] }>> {
  const counts: Record<string, { present: number; closed: number; wrong: string[] }> = {}
  for (const { model, embed } of embedders) {
    const read = (vectors: string, texts: string) =>
      adminSql<{ text: string | null; embedding: string }>(
        product,
        `select t.text, v.embedding::text as embedding from ${vectors} v join embedding_models e on e.model_key = v.model_key
         left join ${texts} t on t.tenant_id = v.tenant_id and t.memory_key = v.memory_key and t.version = v.version where v.tenant_id = $1::integer and e.name = $2::text`,
        [caller.tenantId, model],
      )
    const [present, closed] = [await read('vectors', 'memories'), await read('closed_vectors', 'memory_versions')]
    const rows = [...present, ...closed]
    const expected = rows.length ? await embed(rows.map(({ text }) => text ?? '')) : []
    const wrong = rows.filter(({ text, embedding }, i) => text === null || dot(Float32Array.from(JSON.parse(embedding)), expected[i] as Float32Array) < 0.999)
    counts[model] = { present: present.length, closed: closed.length, wrong: wrong.map(({ text }) => text ?? '(of no version)') }
  }
  return counts
}

const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + value * (b[i] as number), 0)
