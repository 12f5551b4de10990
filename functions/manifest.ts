/** Every deployable handler, as pure data: the stacks, the local adapter, the command line, the README and the tests all read it. */

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'
export type Route = { method: Method; path: string }
export type Host = 'lambda' | 'task' | 'local'

type Row = {
  /** Also the folder under functions/. */
  name: string
  summary: string
  /** Where it may run. */
  hosts: readonly Host[]
  /** The database login it needs. */
  database: 'app' | 'worker' | 'owner'
  memoryMb: number
  timeoutSeconds: number
  /** The secrets it may read, by the configuration variable they fill. */
  secrets: readonly string[]
  /** Other handlers it may invoke. */
  invokes?: readonly string[]
}
export type HttpRow = Row & { kind: 'http'; routes: readonly Route[]; maxBodyBytes: number }
export type RecordsRow = Row & { kind: 'records'; topic: string; batchSize: number }
/** `everySeconds: null` means it runs only when somebody asks. */
export type JobRow = Row & { kind: 'job'; everySeconds: number | null }
export type ManifestRow = HttpRow | RecordsRow | JobRow

const anywhere = ['lambda', 'task', 'local'] as const
const appSecrets = ['POSTGRES_URL', 'SIGNING_KEY', 'SOMA_API_TOKEN'] as const
const mebibyte = 1024 * 1024
const get = (path: string): Route => ({ method: 'GET', path })
const post = (path: string): Route => ({ method: 'POST', path })
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
  http({ name: 'recall', summary: 'finds memories by words, meaning, time and scope', routes: [post('/v1/recall')], secrets: [...appSecrets, 'EMBEDDING_API_KEY'] }),
  http({
    name: 'memories',
    summary: 'reads, changes, forgets and lists memories',
    invokes: ['drain-outbox'],
    routes: [post('/v1/memories/list'), get('/v1/memories/:id'), patch('/v1/memories/:id'), del('/v1/memories/:id'), get('/v1/memories/:id/history')],
  }),
  http({
    name: 'tenants',
    summary: 'tenants and their API keys',
    routes: [post('/v1/tenants'), get('/v1/tenants'), patch('/v1/tenants/:name'), post('/v1/keys'), get('/v1/keys'), del('/v1/keys/:id')],
    secrets: [...appSecrets, 'POSTGRES_WORKER_URL'],
  }),
  http({
    name: 'guide',
    summary: "the Soma guides' surface: /store, /store_bulk, /recall, /stats",
    invokes: ['drain-outbox'],
    secrets: [...appSecrets, 'EMBEDDING_API_KEY'],
    routes: [post('/store'), post('/store_bulk'), get('/recall'), post('/recall'), get('/stats')],
  }),
  http({
    name: 'status',
    summary: 'health, readiness, metrics, the OpenAPI document and its page',
    routes: [get('/healthz'), get('/readyz'), get('/health'), get('/metrics'), get('/openapi.json'), get('/docs')],
    secrets: [...appSecrets, 'POSTGRES_WORKER_URL', 'METRICS_TOKEN'],
  }),
  {
    ...worker,
    kind: 'job',
    name: 'drain-outbox',
    summary: 'publishes committed changes; woken by a store, swept by schedule',
    everySeconds: 60,
    invokes: ['index-vectors', 'project-events'],
  },
  {
    ...worker,
    kind: 'records',
    name: 'index-vectors',
    summary: 'embeds new versions and upserts their vectors under a version guard',
    topic: 'memory.events',
    batchSize: 100,
    secrets: ['POSTGRES_WORKER_URL', 'EMBEDDING_API_KEY'],
  },
  { ...worker, kind: 'records', name: 'project-events', summary: 'fills the memory_events projection, each version once', topic: 'memory.events', batchSize: 500 },
  { ...worker, kind: 'job', name: 'rollup-usage', summary: 'folds usage rows into exact counters', everySeconds: 60 },
  { ...worker, kind: 'job', name: 'sweep', summary: 'removes what has expired: idempotency records, sent outbox rows', everySeconds: 300 },
  {
    ...worker,
    kind: 'job',
    name: 'build-ann',
    summary: 'builds the HNSW index of a scope that has grown large',
    database: 'owner',
    everySeconds: 3600,
    timeoutSeconds: 900,
    secrets: ['POSTGRES_MIGRATION_URL', 'POSTGRES_WORKER_URL'],
  },
  { ...worker, kind: 'job', name: 'migrate', summary: 'brings the schema to the version of this code', database: 'owner', everySeconds: null, secrets: ['POSTGRES_MIGRATION_URL'] },
]
