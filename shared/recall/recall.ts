import type { Sql } from '../db/index.ts'
import { type EmbedCall, type Embedder, type Embedders, embedderOf, isOf, isRefusal, tokensOf } from '../embed/index.ts'
import { type Params, params } from '../filter/index.ts'
import { placeOf, selectionOf, settleInstant } from '../memory/index.ts'
import { assertWithin, type Ctx, requireScope } from '../tenant/index.ts'
import { readQuestion } from '../text/index.ts'
import { traced } from '../trace/index.ts'
import type { Engine } from '../vector/index.ts'
import { type Asked, searchEngine } from './engine.ts'
import { fuse } from './fuse.ts'
import { type LexicalArm, searchLexical } from './lexical.ts'
import { readTail, searchNearest, searchTail, type TailRow, type VectorHit } from './nearest.ts'
import { present } from './present.ts'
import { readReplay, replayRecall, signReplay } from './replay.ts'
import { RecallIn, type RecallInput, type RecallOut } from './schema.ts'
import { findScope } from './scope.ts'
import { type View, viewOf } from './view.ts'
import { semanticWeight, tailSize } from './weights.ts'

/**
 * What a recall needs beside the caller: the embedders, who hears why an arm failed, who counts what it used (`namespaceKey` 0: nothing is stored
 * there), and the installation's generation for its tokens. `only` searches this model, whichever is meant to be: to compare two.
 */
export type RecallDeps = Embedders & {
  onDegraded: (reason: string, error: unknown) => void
  onRecalled?: (use: { tenantId: number; namespaceKey: number; embeddedTokens: number }) => void
  generation: () => Promise<number>
  only?: Embedder
  /** Where large scopes are searched beside Postgres. */
  engine?: Engine | undefined
}

/**
 * The memories that answer a query best, within the caller's tenant and scope, now or as of an instant; with `replay` the very answer that was given
 * before. Reads nothing but snapshots and writes nothing. @throws AppError forbidden, invalid, scope_conflict, gone; as settleInstant
 */
export async function recall(ctx: Ctx, deps: RecallDeps, body: unknown): Promise<RecallOut> {
  requireScope(ctx, 'memory:read')
  const started = performance.now()
  const input = RecallIn.parse(body)
  const selection = selectionOf(input)
  assertWithin(ctx, placeOf(selection))
  const generation = await deps.generation()
  if (input.replay !== undefined) {
    const answer = readReplay(ctx, input, input.replay, generation)
    const replayed = { ...(await replayRecall(ctx, answer)), took_ms: elapsed(started), degraded: false, degraded_reasons: [], replay: input.replay }
    deps.onRecalled?.({ tenantId: ctx.tenantId, namespaceKey: 0, embeddedTokens: 0 })
    return replayed
  }
  await settleInstant(ctx, input.as_of)
  const degraded: string[] = []
  const failed = (reason: string, error: unknown): undefined => {
    if (!degraded.includes(reason)) degraded.push(reason)
    deps.onDegraded(reason, error)
  }
  const call = { tenant: ctx.tenant, signal: ctx.signal }
  const embed = (model: Embedder) => embedQuery(model, input.query, call).catch((error) => failed(reasonOf(error), error))

  const view = (p: Params) => viewOf(input, selection, p)
  const access = { role: 'soma_app', tenantId: ctx.tenantId, readOnly: true, plans: 'kept' } as const
  const read = <T>(work: (tx: Sql) => Promise<T>) => traced('postgresql recall', tracedAs, () => ctx.app.transaction(access, work))
  const finish = async (tx: Sql, { lexical, nearest, model }: Gathered): Promise<RecallOut> => {
    const { ranked, semantic } = fuse(lexical, nearest, input, model.model, input.as_of === undefined ? new Date() : new Date(input.as_of))
    const results = await present(tx, ctx.tenantId, ranked, input, view, { most: lexical.most, semanticWeight: semantic })
    const total = Math.max(ranked.length, lexical.candidates)
    const named = results.map(({ id, version, score, score_breakdown: breakdown }) => ({ id, version, score, breakdown }))
    const replay = signReplay(ctx, input, { generation, total, results: named })
    return { results, total_candidates: total, took_ms: elapsed(started), degraded: degraded.length > 0, degraded_reasons: degraded, replay }
  }
  // one snapshot for both arms; where nothing waits for its vector the answer is read in it too
  const search = (model: Embedder, query: Float32Array | undefined, settled: boolean) =>
    read(async (tx) => {
      const gathered = await gather(tx, ctx.tenantId, input, { userId: selection.ids.user_id, query, model, view, engineFrom: deps.engine?.from })
      const instead = settled || gathered.searched === null || isOf(model, gathered.searched) ? undefined : gathered.searched
      return { query, gathered, instead, answer: gathered.tail.length || gathered.asked || instead ? undefined : await finish(tx, gathered) }
    })
  const embeds = (model: Embedder) => input.mode === 'vector' || (input.mode === 'hybrid' && semanticWeight(model.model) > 0)
  const first = await inOneModel(
    deps,
    input.mode === 'lexical',
    (model) => (embeds(model) ? embed(model) : undefined),
    search,
    () => degraded.splice(0),
  )
  const { gathered, query } = first
  const counted = (answer: RecallOut): RecallOut => {
    deps.onRecalled?.({ tenantId: ctx.tenantId, namespaceKey: gathered.namespaceKey, embeddedTokens: query ? tokensOf(input.query) : 0 })
    return answer
  }
  if (first.answer) return counted(first.answer)
  // other servers are called: no transaction is open meanwhile
  if (gathered.asked && deps.engine) {
    const about = { ...gathered.asked, query: query as Float32Array, words: gathered.lexical.hits, view, input, selection }
    gathered.nearest.push(...(await searchEngine(ctx, deps.engine.engine, about, (error) => failed('vector_engine_unavailable', error))))
  }
  const waiting = gathered.tail.slice(0, tailSize)
  const tail = waiting.length ? await searchTail(waiting, query as Float32Array, gathered.model, call).catch((error) => failed(reasonOf(error), error)) : undefined
  if (tail) gathered.nearest.push(...tail)
  if (gathered.tail.length > tailSize) failed('index_lag', undefined)
  return counted(await read((tx) => finish(tx, gathered)))
}

const tracedAs = { kind: 'client', attributes: { 'db.system.name': 'postgresql', 'db.operation.name': 'recall' } } as const
const lastSearched = new WeakMap<RecallDeps, Embedder>()
const attempts = 3
type Attempt = { instead: Model | undefined }

/**
 * The query is embedded before the snapshot is taken, so by a guess at the model that is searched; when the snapshot says another, all is done again in that.
 * So an answer compares vectors of one model only, and a switch is followed from its commit on. Who loses three times in a row searches what was kept.
 */
async function inOneModel<Found extends Attempt>(
  deps: RecallDeps,
  lexical: boolean,
  embed: (model: Embedder) => Promise<Float32Array | undefined> | undefined,
  search: (model: Embedder, query: Float32Array | undefined, settled: boolean) => Promise<Found>,
  forgetFailures: () => void,
): Promise<Found> {
  let model = deps.only ?? lastSearched.get(deps) ?? deps.embedder
  for (let attempt = 1; ; attempt++) {
    const query = lexical ? undefined : await embed(model)
    const found = await search(model, query, lexical || deps.only !== undefined || attempt === attempts)
    if (!found.instead) return found
    forgetFailures()
    model = embedderOf(deps, found.instead)
    lastSearched.set(deps, model)
  }
}

type Model = { name: string; dimension: number }
type Gathered = { model: Embedder; searched: Model | null; lexical: LexicalArm; nearest: VectorHit[]; asked: Asked | undefined; tail: TailRow[]; namespaceKey: number }
type Search = { userId: string | undefined; query: Float32Array | undefined; model: Embedder; view: (p: Params) => View; engineFrom: number | undefined }

async function gather(tx: Sql, tenantId: number, input: RecallInput, { userId, query, model, view, engineFrom }: Search): Promise<Gathered> {
  const found: Gathered = { model, searched: null, lexical: { hits: [], most: 0, candidates: 0 }, nearest: [], asked: undefined, tail: [], namespaceKey: 0 }
  const scope = await findScope(tx, tenantId, input.namespace, userId, { name: model.model, dimension: model.dimension }, input.as_of !== undefined)
  if (!scope) return found
  found.namespaceKey = scope.namespaceKey
  found.searched = scope.searched
  if (input.mode !== 'vector') {
    found.lexical = await searchLexical(tx, scope, readQuestion(input.query, scope.languages, input.language), view, input.as_of)
  }
  if (query && scope.modelKey !== null) {
    const known = { ...scope, modelKey: scope.modelKey }
    const p = params([tenantId])
    if (engineFrom !== undefined && scope.collection !== null && scope.memories >= engineFrom) found.asked = { scope: known, collection: scope.collection }
    else found.nearest = await searchNearest(tx, tenantId, known, query, found.lexical.hits, view(p), p, { topK: input.top_k })
  }
  if (query && scope.hasTail && input.consistency === 'read_your_writes') {
    const p = params([tenantId])
    found.tail = await readTail(tx, scope, model.model, view(p), p)
  }
  return found
}

async function embedQuery(embedder: Embedder, query: string, call: EmbedCall): Promise<Float32Array | undefined> {
  const [vector] = await embedder.embed([query], { ...call, purpose: 'query' })
  return vector
}

/** A server that is there and does not take a text is another thing than one that is away. */
function reasonOf(error: unknown): string {
  return isRefusal(error) ? 'embedder_refused' : 'embedder_unavailable'
}

function elapsed(started: number): number {
  return Math.round((performance.now() - started) * 100) / 100
}
