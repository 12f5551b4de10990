/** Every deployable handler, as pure data: the stacks, the local adapter, the command line, the README and the tests all read it. */

import { anywhere, type HttpRow, type ManifestRow, type RecordsRow, type Route, vectorSecrets } from './row.ts'
import { workers } from './workers.ts'

export type { Host, HttpRow, JobRow, ManifestRow, Method, RecordsRow, Route } from './row.ts'
export { armer, restTickHours } from './workers.ts'

/** A Lambda can stream neither a body in nor, behind an HTTP API, an answer out. */
const streaming = { hosts: ['task', 'local'], timeoutSeconds: 900 } as const
/** Redis' URL is a secret for the password in it; it is needed only in a stage that has one. */
const appSecrets = ['POSTGRES_URL', 'SIGNING_KEY', 'SOMA_API_TOKEN', 'REDIS_URL'] as const
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
    summary: 'tenants, their API keys and their audit logs',
    routes: [
      post('/v1/tenants'),
      get('/v1/tenants'),
      patch('/v1/tenants/:name'),
      post('/v1/keys'),
      get('/v1/keys'),
      del('/v1/keys/:id'),
      post('/v1/keys/:id/rotate'),
      get('/v1/audit'),
    ],
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
    name: 'recovery',
    summary: 'backups and drills: what they came to; asks for one',
    invokes: ['keep-backups'],
    routes: [get('/v1/backups'), post('/v1/backups'), get('/v1/backups/:id'), get('/v1/drills'), post('/v1/drills'), get('/v1/drills/:id')],
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
  ...workers,
]

/** The row of a record handler. @throws Error when there is none of that name */
export function recordsRow(name: string): RecordsRow {
  const row = manifest.find((one) => one.name === name)
  if (row?.kind !== 'records') throw new Error(`The manifest has no record handler "${name}".`)
  return row
}
