import type * as z from 'zod'
import type { AuditEntry, AuditIn } from '../audit/index.ts'
import type { LinkIn, LinkOut, Neighbors, NeighborsIn, PathIn, PathOut } from '../link/index.ts'
import type { BulkStored, ForgetIn, Forgotten, ListIn, MemoryIn, MemoryOut, Version } from '../memory/index.ts'
import type { OperationOut } from '../operation/index.ts'
import type { OutboxIn, OutboxRow, OutboxSummary, Purged, PurgeIn, Replayed, ReplayIn } from '../outbox/index.ts'
import type { RecallIn, RecallOut } from '../recall/index.ts'
import type { RunDetails, RunOut, RunsIn } from '../recovery/index.ts'
import type { KeyIn, KeyOut, KeyRotation, OwnLimitsPatch, TenantOut } from '../tenant/index.ts'
import type { ExportStartIn, ImportReport } from '../transfer/index.ts'
import type { NamesPage, NamespaceOut, NamespacesIn, SessionOut, SessionsIn, Stats, UsageIn, UsageOut, UserOut, UsersIn } from '../usage/index.ts'
import { notReached, problemOf } from './error.ts'
import { partsOver } from './parts.ts'

export { ClientError } from './error.ts'

/** The global `fetch`, or anything of its form: the local adapter's is answered in this process. */
export type Fetch = (request: Request) => Promise<Response>
export type ClientOptions = {
  /** Where the API is; http://127.0.0.1:9595 by default. */
  url?: string | undefined
  fetch?: Fetch | undefined
  /** A key or an API token. */
  token?: string | undefined
  /** The tenant the caller believes to be; the server refuses when the credential says otherwise. */
  tenant?: string | undefined
  /** 60,000 by default. */
  timeoutMs?: number | undefined
}
export type Memory = z.input<typeof MemoryIn>
export type Page<Item> = { items: Item[]; next_cursor: string | null }
export type Health = {
  status: 'ok' | 'degraded' | 'down'
  ok: boolean
  ready: boolean
  components: Record<string, { ok: boolean; latency_ms: number; detail?: string; state?: 'closed' | 'half_open' | 'open'; http?: boolean }>
}
/** What a query string takes, with numbers as numbers. */
type Query<Schema extends z.ZodType> = { [name in keyof z.input<Schema>]: name extends 'limit' ? number | undefined : z.input<Schema>[name] }
/** What an export takes, as its query string names it. */
export type ExportOptions = { namespace?: string; all_namespaces?: boolean; user_id?: string; versions?: boolean; links?: boolean; vectors?: boolean; cursor?: string }
export type Client = ReturnType<typeof createClient>

type More = { headers?: Record<string, string> | undefined; alsoReads?: number; timeoutMs?: number }

/** A client of the native API. Every method throws ClientError, with the problem's code and status. */
export function createClient(options: ClientOptions = {}) {
  const url = (options.url ?? 'http://127.0.0.1:9595').replace(/\/+$/, '')
  const answer = options.fetch ?? ((request) => fetch(request))
  const headers = {
    accept: 'application/json',
    ...(options.token ? { authorization: `Bearer ${options.token}` } : {}),
    ...(options.tenant ? { 'x-tenant-id': options.tenant } : {}),
  }

  async function send<T>(method: string, path: string, body?: unknown, more: More = {}): Promise<T> {
    const signal = AbortSignal.timeout(more.timeoutMs ?? options.timeoutMs ?? 60_000)
    const content = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }
    const request = new Request(`${url}${path}`, {
      method,
      // a credential is not carried to wherever an answer points
      redirect: 'error',
      signal,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...more.headers },
      ...content,
    })
    let response: Response
    let text: string
    try {
      response = await answer(request)
      text = await response.text()
    } catch (error) {
      throw notReached(url, error)
    }
    if (!response.ok && response.status !== more.alsoReads) throw problemOf(response, text)
    if (text === '') return undefined as T
    try {
      return JSON.parse(text) as T
    } catch {
      throw problemOf(response, text)
    }
  }

  /** The bytes of an answer as they come; there is no deadline, as nobody knows how many there are. */
  async function stream(path: string, signal?: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const request = new Request(`${url}${path}`, { redirect: 'error', headers, ...(signal ? { signal } : {}) })
    const response = await answer(request).catch((error) => {
      throw notReached(url, error)
    })
    if (!response.ok || !response.body) throw problemOf(response, await response.text())
    return response.body
  }

  const part = encodeURIComponent
  const search = (query: Record<string, string | number | boolean | undefined>): string => {
    const given = new URLSearchParams()
    for (const [name, value] of Object.entries(query)) if (value !== undefined) given.set(name, String(value))
    return given.size ? `?${given}` : ''
  }
  const runsAt = (path: string) => ({
    list: (query: Query<typeof RunsIn> = {}) => send<Page<RunOut>>('GET', `${path}${search(query)}`),
    get: (id: string) => send<RunDetails>('GET', `${path}/${part(id)}`),
    request: () => send<RunOut>('POST', path),
  })
  return {
    url,
    /** Stores one memory; the same `idempotencyKey` again stores nothing new. An operation is what a server with a journal answers while its database is down. */
    store: (memory: Memory, idempotencyKey?: string) =>
      send<MemoryOut | { operation: string }>('POST', '/v1/memories', memory, { headers: idempotencyKey === undefined ? undefined : { 'idempotency-key': idempotencyKey } }),
    /** 1 to 500 memories, all or none; with `atomic: false` each for itself. */
    storeMany: (items: readonly unknown[], { atomic = true } = {}) => send<BulkStored['body']>('POST', '/v1/memories/bulk', { items, atomic }),
    recall: (query: z.input<typeof RecallIn>) => send<RecallOut>('POST', '/v1/recall', query),
    /** The present version, or the one that was known at the instant `as_of`. */
    get: (id: string, query: { as_of?: string | undefined } = {}) => send<MemoryOut>('GET', `/v1/memories/${part(id)}${search(query)}`),
    /** All versions, the oldest first, 100 a page. */
    history: (id: string, query: { cursor?: string | undefined; as_of?: string | undefined } = {}) =>
      send<Page<Version>>('GET', `/v1/memories/${part(id)}/history${search(query)}`),
    /** A dry run without `confirm`; with that of its answer it forgets. */
    forgetMatching: (query: z.input<typeof ForgetIn>) => send<Forgotten>('POST', '/v1/memories/forget', query),
    operation: (id: string) => send<OperationOut>('GET', `/v1/operations/${part(id)}`),
    /** With `ifVersion`, only when that is its version now. */
    forget: (id: string, { ifVersion }: { ifVersion?: number | undefined } = {}) =>
      send<void>('DELETE', `/v1/memories/${part(id)}`, undefined, { headers: ifVersion === undefined ? undefined : { 'if-match': `"${ifVersion}"` } }),
    list: (query: z.input<typeof ListIn> = {}) => send<Page<MemoryOut>>('POST', '/v1/memories/list', query),
    links: {
      /** The same ends and type again replace the weight, and the metadata when it is given. */
      create: (link: z.input<typeof LinkIn>, idempotencyKey?: string) =>
        send<LinkOut>('POST', '/v1/links', link, { headers: idempotencyKey === undefined ? undefined : { 'idempotency-key': idempotencyKey } }),
      delete: (id: string) => send<void>('DELETE', `/v1/links/${part(id)}`),
    },
    neighbors: (id: string, query: z.input<typeof NeighborsIn> = {}) => send<Neighbors>('GET', `/v1/memories/${part(id)}/neighbors${search(query)}`),
    /** The cheapest path; a link costs 1 / weight. */
    path: (query: z.input<typeof PathIn>) => send<PathOut>('GET', `/v1/paths${search(query)}`),
    /** What holds memories, in byte order of the names, with exact counts. */
    namespaces: (query: Query<typeof NamespacesIn> = {}) => send<NamesPage<NamespaceOut>>('GET', `/v1/namespaces${search(query)}`),
    users: (query: Query<typeof UsersIn> = {}) => send<NamesPage<UserOut>>('GET', `/v1/users${search(query)}`),
    sessions: (query: Query<typeof SessionsIn> = {}) => send<NamesPage<SessionOut>>('GET', `/v1/sessions${search(query)}`),
    /** What the tenant holds and used: the last 30 days by day, unless told otherwise. */
    usage: (query: Query<typeof UsageIn> = {}) => send<UsageOut>('GET', `/v1/usage${search(query)}`),
    /** NDJSON: one memory a line, versions and links when asked for. An answer that breaks off goes on with `cursor`. */
    export: (query: ExportOptions = {}, signal?: AbortSignal) => stream(`/v1/export${search(query)}`, signal),
    /** Lines of an export; the same ones again store nothing new. */
    import: (ndjson: string) => send<ImportReport>('POST', '/v1/import', ndjson, { headers: { 'content-type': 'application/x-ndjson' }, timeoutMs: 600_000 }),
    /** An export that goes on after its answer; the parts of its operation are fetched by `getPart`. */
    startExport: (query: z.input<typeof ExportStartIn> = {}) => send<OperationOut>('POST', '/v1/exports', query),
    /** Announces what will be sent by `putPart`, part by part, each with whole lines; then it is started. */
    announceImport: (sizes: readonly number[]) => send<OperationOut>('POST', '/v1/imports', { parts: sizes.map((bytes) => ({ bytes })) }),
    startImport: (operation: string) => send<OperationOut>('POST', `/v1/imports/${part(operation)}/start`),
    ...partsOver({ url, headers, answer }),
    stats: () => send<Omit<Stats, 'procedural'>>('GET', '/stats'),
    /** Also when it is down: a 503 here is an answer. */
    health: () => send<Health>('GET', '/health', undefined, { alsoReads: 503 }),
    tenants: {
      create: (name: string) => send<TenantOut & { admin_key: KeyOut }>('POST', '/v1/tenants', { name }),
      list: (cursor?: string) => send<Page<TenantOut>>('GET', `/v1/tenants${cursor === undefined ? '' : `?cursor=${part(cursor)}`}`),
      suspend: (name: string) => send<TenantOut>('PATCH', `/v1/tenants/${part(name)}`, { status: 'suspended' }),
      resume: (name: string) => send<TenantOut>('PATCH', `/v1/tenants/${part(name)}`, { status: 'active' }),
      limit: (name: string, limits: OwnLimitsPatch) => send<TenantOut>('PATCH', `/v1/tenants/${part(name)}`, { limits }),
    },
    /** The outbox of one's own tenant, or with platform:outbox of the one that is named. */
    outbox: {
      list: (query: Query<typeof OutboxIn> = {}) => send<Page<OutboxRow>>('GET', `/v1/outbox${search(query)}`),
      summary: (query: { tenant?: string | undefined; cursor?: string | undefined } = {}) => send<Page<OutboxSummary>>('GET', `/v1/outbox/summary${search(query)}`),
      /** By ids at once; by a filter a dry run without `confirm`, and with that of its answer it is done. */
      replay: (rows: z.input<typeof ReplayIn>) => send<Replayed>('POST', '/v1/outbox/replay', rows),
      purge: (rows: z.input<typeof PurgeIn>) => send<Purged>('POST', '/v1/outbox/purge', rows),
    },
    /** Audit rows of one's own tenant, or with platform:audit of the one that is named, the newest first. */
    audit: (query: Query<typeof AuditIn> = {}) => send<Page<AuditEntry>>('GET', `/v1/audit${search(query)}`),
    backups: runsAt('/v1/backups'),
    drills: runsAt('/v1/drills'),
    keys: {
      create: (key: z.input<typeof KeyIn> = {}) => send<KeyOut>('POST', '/v1/keys', key),
      list: () => send<Page<KeyOut>>('GET', '/v1/keys'),
      revoke: (id: string) => send<void>('DELETE', `/v1/keys/${part(id)}`),
      rotate: (id: string, how: z.input<typeof KeyRotation> = {}) => send<KeyOut>('POST', `/v1/keys/${part(id)}/rotate`, how),
    },
  }
}
