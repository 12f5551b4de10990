/** Every deployable handler, as pure data: the stacks, the local adapter, the command line, the README and the tests all read it. */

import type { HttpRow, ManifestRow, RecordsRow, Route } from './row.ts'

export type { Host, HttpRow, JobRow, ManifestRow, Method, RecordsRow, Route } from './row.ts'

const anywhere = ['lambda', 'task', 'local'] as const
/** A Lambda can stream neither a body in nor, behind an HTTP API, an answer out. */
const streaming = { hosts: ['task', 'local'], timeoutSeconds: 900 } as const
/** Redis' URL is a secret for the password in it; it is needed only in a stage that has one. */
const appSecrets = ['POSTGRES_URL', 'SIGNING_KEY', 'SOMA_API_TOKEN', 'REDIS_URL'] as const
/** The broker's is needed only where a stage's Kafka asks for a password. */
const brokerSecrets = ['POSTGRES_WORKER_URL', 'KAFKA_SASL_PASSWORD'] as const
/** Of the embedders, and of a second vector engine in a stage that has one. */
const vectorSecrets = ['EMBEDDING_API_KEY', 'EMBEDDING_NEXT_API_KEY', 'MILVUS_TOKEN'] as const
const mebibyte = 1024 * 1024
const get = (path: string): Route => ({ method: 'GET', path })
const post = (path: string): Route => ({ method: 'POST', path })
const put = (path: string): Route => ({ method: 'PUT', path })
const patch = (path: string): Route => ({ method: 'PATCH', path })
const del = (path: string): Route => ({ method: 'DELETE', path })

const http = (row: Omit<HttpRow, 'kind' | 'hosts' | 'database' | 'memoryMb' | 'timeoutSeconds' | 'secrets' | 'maxBodyBytes'> & Partial<HttpRow>): HttpRow => ({
  kind: 'http',
  hosts: anywhere,
  database: 'app',
  memoryMb: 1024,
  timeoutSeconds: 29,
  secrets: appSecrets,
  maxBodyBytes: 5 * mebibyte,
  ...row,
})
const worker = { hosts: anywhere, database: 'worker', memoryMb: 1024, timeoutSeconds: 300, secrets: ['POSTGRES_WORKER_URL'] } as const

export const manifest: readonly ManifestRow[] = [
  http({ name: 'store', summary: 'stores one memory or up to 500 in one transaction', routes: [post('/v1/memories'), post('/v1/memories/bulk')], invokes: ['drain-outbox'] }),
  http({ name: 'recall', summary: 'finds memories by words, meaning, time and scope', routes: [post('/v1/recall')], secrets: [...appSecrets, ...vectorSecrets], embeds: true }),
  http({
    name: 'memories',
    summary: 'reads, changes, forgets and lists memories',
    invokes: ['drain-outbox', 'run-operations'],
    routes: [post('/v1/memories/list'), post('/v1/memories/forget'), get('/v1/memories/:id'), patch('/v1/memories/:id'), del('/v1/memories/:id'), get('/v1/memories/:id/history')],
  }),
  http({ name: 'operations', summary: 'tells how far something is that goes on after its answer', routes: [get('/v1/operations/:id')], transfers: ['get', 'put'] }),
  http({
    name: 'links',
    summary: 'links memories, and walks along the links: neighbours and cheapest paths',
    invokes: ['drain-outbox'],
    routes: [post('/v1/links'), del('/v1/links/:id'), get('/v1/memories/:id/neighbors'), get('/v1/paths')],
  }),
  http({
    name: 'tenants',
    summary: 'tenants and their API keys',
    routes: [post('/v1/tenants'), get('/v1/tenants'), patch('/v1/tenants/:name'), post('/v1/keys'), get('/v1/keys'), del('/v1/keys/:id')],
    secrets: [...appSecrets, 'POSTGRES_WORKER_URL'],
  }),
  http({
    name: 'outbox',
    summary: 'what waits in the outbox, what is dead and why; replay and purge',
    invokes: ['drain-outbox'],
    routes: [get('/v1/outbox'), get('/v1/outbox/summary'), post('/v1/outbox/replay'), post('/v1/outbox/purge')],
    secrets: [...appSecrets, 'POSTGRES_WORKER_URL'],
  }),
  http({
    name: 'usage',
    summary: 'namespaces, users and sessions with their counts; what a tenant uses by day or hour',
    routes: [get('/v1/namespaces'), get('/v1/users'), get('/v1/sessions'), get('/v1/usage')],
  }),
  http({
    name: 'guide',
    summary: "the Soma guides' surface: memories by coord, recall and search, ranges, links, counts",
    invokes: ['drain-outbox'],
    secrets: [...appSecrets, ...vectorSecrets],
    embeds: true,
    routes: [
      post('/store'),
      post('/store_bulk'),
      get('/recall'),
      post('/recall'),
      post('/recall_batch'),
      post('/recall_with_scores'),
      post('/hybrid_recall_with_scores'),
      post('/keyword_search'),
      post('/recall_with_context'),
      get('/range'),
      post('/memories'),
      get('/memories/search'),
      post('/memories/search'),
      get('/memories/:coord'),
      del('/memories/:coord'),
      post('/link'),
      get('/neighbors'),
      get('/shortest_path'),
      get('/stats'),
    ],
  }),
  http({
    name: 'export',
    summary: 'streams memories, versions, links and vectors out as NDJSON',
    ...streaming,
    routes: [get('/v1/export'), get('/v1/exports/:id/parts/:part')],
    transfers: ['get'],
  }),
  http({
    name: 'import',
    summary: 'streams them in again, line by line',
    ...streaming,
    invokes: ['drain-outbox'],
    secrets: [...appSecrets, 'POSTGRES_WORKER_URL'],
    routes: [post('/v1/import'), put('/v1/imports/:id/parts/:part')],
    maxBodyBytes: null,
    transfers: ['put'],
  }),
  http({
    name: 'transfers',
    summary: 'begins exports and imports that go on after their answer',
    invokes: ['run-operations'],
    routes: [post('/v1/exports'), post('/v1/imports'), post('/v1/imports/:id/start')],
    transfers: ['get', 'put'],
  }),
  http({
    name: 'status',
    summary: 'health, readiness, metrics, the OpenAPI document and its page',
    routes: [get('/healthz'), get('/readyz'), get('/health'), get('/metrics'), get('/openapi.json'), get('/docs')],
    secrets: [...appSecrets, 'POSTGRES_WORKER_URL', 'METRICS_TOKEN', 'MILVUS_TOKEN'],
    embeds: true,
  }),
  {
    ...worker,
    kind: 'job',
    name: 'drain-outbox',
    summary: 'publishes committed changes; woken by a store, swept by schedule',
    everySeconds: 60,
    secrets: [...brokerSecrets, 'MILVUS_TOKEN'],
    invokes: ['index-vectors', 'project-events'],
    publishes: ['memory.events'],
    embeds: true,
  },
  {
    ...worker,
    kind: 'records',
    name: 'index-vectors',
    summary: 'embeds new versions and upserts their vectors under a version guard',
    topic: 'memory.events',
    batchSize: 100,
    secrets: [...brokerSecrets, ...vectorSecrets],
    embeds: true,
  },
  {
    ...worker,
    kind: 'records',
    name: 'project-events',
    summary: 'fills the memory_events projection, each version once',
    topic: 'memory.events',
    batchSize: 500,
    secrets: brokerSecrets,
  },
  { ...worker, kind: 'job', name: 'rollup-usage', summary: 'folds usage rows into exact counters, counts the common words of large scopes', everySeconds: 60 },
  { ...worker, kind: 'job', name: 'expire', summary: 'moves memories whose time is over to history', everySeconds: 60 },
  {
    ...worker,
    kind: 'job',
    name: 'run-operations',
    summary: 'takes operations to their end: forgetting many memories, exports and imports',
    everySeconds: 60,
    invokes: ['drain-outbox'],
    transfers: ['get', 'put'],
  },
  {
    ...worker,
    kind: 'job',
    name: 'sweep',
    summary: 'removes what has expired: idempotency records, sent outbox rows, batches of reads, ended operations, objects of exports and imports',
    everySeconds: 300,
    transfers: ['remove'],
  },
  {
    ...worker,
    kind: 'job',
    name: 'reembed',
    summary: 'makes the vectors of an embedding model that is being introduced, removes those of a dropped one',
    everySeconds: 60,
    secrets: ['POSTGRES_WORKER_URL', ...vectorSecrets],
    embeds: true,
  },
  { ...worker, kind: 'job', name: 'recount-words', summary: 'counts the words of memories again that an older version has cut by other rules', everySeconds: 600 },
  {
    ...worker,
    kind: 'job',
    name: 'build-ann',
    summary: 'builds the HNSW graphs of scopes that have grown large, or the collections of a second vector engine',
    database: 'owner',
    everySeconds: 900,
    timeoutSeconds: 900,
    secrets: ['POSTGRES_MIGRATION_URL', 'POSTGRES_WORKER_URL', 'MILVUS_TOKEN'],
  },
  {
    ...worker,
    kind: 'job',
    name: 'verify-index',
    summary: "holds all vectors against the memories, and a second engine's against those, and mends what differs",
    everySeconds: 86_400,
    timeoutSeconds: 900,
    secrets: ['POSTGRES_WORKER_URL', ...vectorSecrets],
    embeds: true,
  },
  {
    ...worker,
    kind: 'job',
    name: 'backup',
    summary: 'writes everything, as of one instant, into an archive',
    everySeconds: null,
    timeoutSeconds: 900,
    secrets: ['POSTGRES_WORKER_URL', 'BACKUP_KEY'],
    archives: 'write',
  },
  {
    ...worker,
    kind: 'job',
    name: 'restore',
    summary: 'fills an empty database with the archive that RESTORE_FROM names',
    database: 'owner',
    everySeconds: null,
    timeoutSeconds: 900,
    secrets: ['POSTGRES_MIGRATION_URL', 'BACKUP_KEY'],
    archives: 'read',
  },
  { ...worker, kind: 'job', name: 'migrate', summary: 'brings the schema to the version of this code', database: 'owner', everySeconds: null, secrets: ['POSTGRES_MIGRATION_URL'] },
]

/** The row of a record handler. @throws Error when there is none of that name */
export function recordsRow(name: string): RecordsRow {
  const row = manifest.find((one) => one.name === name)
  if (row?.kind !== 'records') throw new Error(`The manifest has no record handler "${name}".`)
  return row
}
