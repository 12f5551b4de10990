import { type Database, type Sql, singly } from '../db/index.ts'
import { type Embedder, isRefusal, plainText, vectorText } from '../embed/index.ts'
import { AppError } from '../problem/index.ts'
import { type Embedded, embeddedBy, type Model, previousColumn, putVectors, type Unembedded, type VectorEngine, withPrevious } from '../vector/index.ts'
import { overdue, wasKnown } from './coverage.ts'

/** Texts that are embedded at once, and rows that are looked at to find them. */
const batchTexts = 64
const pageRows = 2_000

type Place = { key: string; version: number }
type Source = {
  /** The next rows after a place that have no vector of the model, and the last row that was looked at: undefined at the end. */
  page(tx: Sql, tenantId: number, model: number, after: Place): Promise<{ rows: Unembedded[]; last: Place | undefined }>
  write(fill: Fill, tenantId: number, rows: Embedded[], vectors: Float32Array[]): Promise<unknown>
}
export type Fill = {
  worker: Database
  engine?: VectorEngine | undefined
  embedder: Embedder
  model: Model
  /** Hears of each batch; false ends the work. */
  onBatch: (written: number) => Promise<boolean>
  /** Texts that the embedder does not take: they stay without a vector. */
  onRefused: (memoryKey: string, error: unknown) => void
}

/**
 * Makes the vectors of a model that a tenant's memories and their closed versions (or, without the `past`, its memories alone) do not have yet, batch by batch; no
 * transaction is open meanwhile. Doing it again goes on.
 */
export async function fillTenant(fill: Fill, tenantId: number, signal: AbortSignal, { past = true } = {}): Promise<void> {
  const access = { role: 'soma_worker', tenantId } as const
  for (const source of past ? [memories, closedVersions] : [memories]) {
    let after: Place | undefined = { key: '0', version: 0 }
    while (after && !signal.aborted) {
      const { rows, last } = await source.page(singly(fill.worker, { ...access, readOnly: true }), tenantId, fill.model.key, after)
      after = last
      if (!rows.length) continue
      const embedded = await embedRows(fill, rows, signal)
      if (embedded.length) {
        const vectors = embedded.map(({ vector }) => vector)
        await source.write(fill, tenantId, embedded, vectors)
      }
      if (!(await fill.onBatch(embedded.length))) return
    }
  }
}

/** One text that is refused must not hold up the others. When none is taken at that moment, the server or its settings are at fault. @throws AppError unavailable */
async function embedRows(
  { embedder, onRefused }: Pick<Fill, 'embedder' | 'onRefused'>,
  found: Unembedded[],
  signal: AbortSignal,
): Promise<(Embedded & { vector: Float32Array })[]> {
  const rows = embeddedBy(embedder, found)
  const embed = async (part: Embedded[]) => {
    const vectors = await embedder.embed(
      part.map((row) => row.text),
      { signal },
    )
    return part.map((row, i) => ({ ...row, vector: vectors[i] as Float32Array }))
  }
  try {
    return await embed(rows)
  } catch (error) {
    if (!isRefusal(error)) throw error
  }
  await embedder.embed([plainText], { signal }).catch((cause) => {
    throw isRefusal(cause) ? new AppError('unavailable', cause.message, { cause }) : cause
  })
  const taken: (Embedded & { vector: Float32Array })[] = []
  for (const row of rows) {
    const one = await embed([row]).catch((error) => {
      if (!isRefusal(error)) throw error
      onRefused(row.memory_key, error)
      return []
    })
    taken.push(...one)
  }
  return taken
}

/** `$1` tenant, `$2` model, `$3`, `$4` the place after which it goes on. `previous` joins what lacks a vector, as l, with the turn before it. */
async function readPage(tx: Sql, tenantId: number, model: number, after: Place, { page, lacking, previous }: { page: string; lacking: string; previous: string }) {
  const rows = await tx.query<Omit<Unembedded, 'memory_key'> & { last_key: string | null; last_version: number | null; memory_key: string | null }>(
    `with page as materialized (${page} limit ${pageRows}), lacking as (${lacking} limit ${batchTexts})
     select e.memory_key as last_key, e.version as last_version, l.memory_key, l.version, l.text, l.speaker, c.previous
     from (select p.memory_key, p.version from page p order by p.memory_key desc, p.version desc limit 1) e left join lacking l on true ${previous} order by l.memory_key, l.version`,
    [tenantId, model, after.key, after.version],
  )
  const found = rows.filter((row): row is typeof row & { memory_key: string } => row.memory_key !== null)
  const end = rows[0]?.last_key == null ? undefined : { key: rows[0].last_key, version: rows[0].last_version as number }
  const full = found.length === batchTexts ? found.at(-1) : undefined
  return { rows: found, last: full ? { key: full.memory_key, version: full.version } : end }
}

const columns = (row: string) => ['memory_key', 'version', 'text', 'speaker', 'session_key', 'occurred_at', 'expires_at'].map((name) => `${row}.${name}`).join(', ')

const memories: Source = {
  page: (tx, tenantId, model, after) =>
    readPage(tx, tenantId, model, after, {
      // $4: a memory has one open version
      page: `select m.memory_key, m.version from memories m where m.tenant_id = $1::integer and m.memory_key > $3::bigint and $4::integer is not null order by m.memory_key`,
      lacking: `select ${columns('m')} from page p join memories m on m.tenant_id = $1::integer and m.memory_key = p.memory_key
       where not exists (select from vectors v where v.tenant_id = $1::integer and v.model_key = $2::smallint and v.memory_key = m.memory_key and v.version = m.version)
         and not exists (select from vector_pending q where q.tenant_id = $1::integer and q.memory_key = m.memory_key and q.queued_at >= now() - ${overdue})
       order by m.memory_key`,
      previous: withPrevious('l'),
    }),
  write: (fill, tenantId, rows, vectors) => putVectors(fill, tenantId, fill.model.key, rows, vectors),
}

/** The turn before a version when that was closed: as it is still, or as it was until then or longer. */
const turnOfThen = (table: string, known: string) => `(select c.memory_key, c.version, c.speaker, c.text, c.expires_at, c.occurred_at from ${table} c
         where c.tenant_id = $1::integer and c.session_key = l.session_key and (c.occurred_at, c.memory_key) < (l.occurred_at, l.memory_key) and c.recorded_at < l.closed_at${known}
         order by c.occurred_at desc, c.memory_key desc limit 1)`
const previousOfThen = `left join lateral (select ${previousColumn('c')} as previous, c.expires_at from (
         ${turnOfThen('memories', '')} union all ${turnOfThen('memory_versions', ` and c.closed_at >= l.closed_at and c.state = 'closed'`)}) c
         order by c.occurred_at desc, c.memory_key desc limit 1) c on c.expires_at is null or c.expires_at >= l.expires_at`

/** A closed version does not change. What was removed since it was read gets no vector. */
const closedVersions: Source = {
  page: (tx, tenantId, model, after) =>
    readPage(tx, tenantId, model, after, {
      page: `select v.memory_key, v.version from memory_versions v where v.tenant_id = $1::integer and (v.memory_key, v.version) > ($3::bigint, $4::integer) order by v.memory_key, v.version`,
      lacking: `select ${columns('v')}, v.closed_at from page p join memory_versions v on v.tenant_id = $1::integer and v.memory_key = p.memory_key and v.version = p.version
       where ${wasKnown} and not exists (
         select from closed_vectors c where c.tenant_id = $1::integer and c.model_key = $2::smallint and c.memory_key = v.memory_key and c.version = v.version)
       order by v.memory_key, v.version`,
      previous: previousOfThen,
    }),
  write: ({ worker, model }, tenantId, rows, vectors) =>
    singly(worker, { role: 'soma_worker', tenantId }).query(
      `insert into closed_vectors (tenant_id, model_key, namespace_key, user_key, memory_key, version, context_key, context_version, embedding, recorded_at, closed_at)
       select $1::integer, $2::smallint, v.namespace_key, v.user_key, v.memory_key, v.version, w.context_key, w.context_version, w.embedding::halfvec, v.recorded_at, v.closed_at
       from memory_versions v join unnest($3::bigint[], $4::integer[], $5::text[], $6::bigint[], $7::integer[]) w (memory_key, version, embedding, context_key, context_version) on w.memory_key = v.memory_key and w.version = v.version
       where v.tenant_id = $1::integer and v.memory_key = any ($3::bigint[]) on conflict do nothing`,
      [
        tenantId,
        model.key,
        rows.map((row) => row.memory_key),
        rows.map((row) => row.version),
        vectors.map(vectorText),
        rows.map((row) => row.context?.key ?? null),
        rows.map((row) => row.context?.version ?? null),
      ],
    ),
}
