import type * as z from 'zod'
import type { BulkStored, ListIn, MemoryIn, MemoryOut } from '../memory/index.ts'
import type { RecallIn, RecallOut } from '../recall/index.ts'
import type { KeyIn, KeyOut, TenantOut } from '../tenant/index.ts'
import type { Stats } from '../usage/index.ts'
import { notReached, problemOf } from './error.ts'

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
export type Health = { status: 'ok' | 'degraded' | 'down'; ok: boolean; ready: boolean; components: Record<string, { ok: boolean; latency_ms: number; detail?: string }> }
export type Client = ReturnType<typeof createClient>

/** A client of the native API. Every method throws ClientError, with the problem's code and status. */
export function createClient(options: ClientOptions = {}) {
  const url = (options.url ?? 'http://127.0.0.1:9595').replace(/\/+$/, '')
  const answer = options.fetch ?? ((request) => fetch(request))
  const headers = {
    accept: 'application/json',
    ...(options.token ? { authorization: `Bearer ${options.token}` } : {}),
    ...(options.tenant ? { 'x-tenant-id': options.tenant } : {}),
  }

  async function send<T>(method: string, path: string, body?: unknown, more: { headers?: Record<string, string> | undefined; alsoReads?: number } = {}): Promise<T> {
    const signal = AbortSignal.timeout(options.timeoutMs ?? 60_000)
    const content = body === undefined ? {} : { body: JSON.stringify(body) }
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

  const part = encodeURIComponent
  return {
    url,
    /** Stores one memory; the same `idempotencyKey` again stores nothing new. */
    store: (memory: Memory, idempotencyKey?: string) =>
      send<MemoryOut>('POST', '/v1/memories', memory, { headers: idempotencyKey === undefined ? undefined : { 'idempotency-key': idempotencyKey } }),
    /** 1 to 500 memories, all or none; with `atomic: false` each for itself. */
    storeMany: (items: readonly unknown[], { atomic = true } = {}) => send<BulkStored['body']>('POST', '/v1/memories/bulk', { items, atomic }),
    recall: (query: z.input<typeof RecallIn>) => send<RecallOut>('POST', '/v1/recall', query),
    get: (id: string) => send<MemoryOut>('GET', `/v1/memories/${part(id)}`),
    list: (query: z.input<typeof ListIn> = {}) => send<Page<MemoryOut>>('POST', '/v1/memories/list', query),
    stats: () => send<Omit<Stats, 'procedural'>>('GET', '/stats'),
    /** Also when it is down: a 503 here is an answer. */
    health: () => send<Health>('GET', '/health', undefined, { alsoReads: 503 }),
    tenants: {
      create: (name: string) => send<TenantOut & { admin_key: KeyOut }>('POST', '/v1/tenants', { name }),
      list: (cursor?: string) => send<Page<TenantOut>>('GET', `/v1/tenants${cursor === undefined ? '' : `?cursor=${part(cursor)}`}`),
      suspend: (name: string) => send<TenantOut>('PATCH', `/v1/tenants/${part(name)}`, { status: 'suspended' }),
      resume: (name: string) => send<TenantOut>('PATCH', `/v1/tenants/${part(name)}`, { status: 'active' }),
    },
    keys: {
      create: (key: z.input<typeof KeyIn> = {}) => send<KeyOut>('POST', '/v1/keys', key),
      list: () => send<Page<KeyOut>>('GET', '/v1/keys'),
      revoke: (id: string) => send<void>('DELETE', `/v1/keys/${part(id)}`),
    },
  }
}
