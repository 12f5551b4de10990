import { randomUUID } from 'node:crypto'
import type { Context } from 'hono'
import { Hono } from 'hono'
import type { Denials } from '../audit/index.ts'
import type { Database } from '../db/index.ts'
import { textProblem } from '../json/index.ts'
import type { Limiter, Taken, Turns } from '../limit/index.ts'
import { AppError, type FieldError } from '../problem/index.ts'
import { rateLimitFields, type Standing } from '../quota/index.ts'
import type { Log, Metrics } from '../telemetry/index.ts'
import { type Authenticate, assertUnlimited, type Ctx, requireScope } from '../tenant/index.ts'
import { currentTraceparent, type Span, saneTraceparent, traced, traceIdOf } from '../trace/index.ts'
import { holdsReach } from './limited-keys.ts'
import { asAppError, problemResponse } from './problem-response.ts'
import { asAnswered, asReceived } from './server-span.ts'

/** What every HTTP handler needs; each names what it needs beyond. */
export type HttpDeps = {
  app: Database
  worker: Database
  authenticate: Authenticate
  limiter: Limiter
  turns: Turns
  denials: Denials
  signingKey: string
  corsOrigins: string[]
  log: Log
  metrics: Metrics
}
export type Env = { Variables: { requestId: string; outcome: Record<string, unknown>; standings: Standing[]; caller?: { tenantId: number; actor: string }; endTurn?: () => void } }
export type SomaApp = Hono<Env>

/** A Hono app with request id, problem answers, one log line, one span and the metrics of each request. */
export function createApp(name: string, deps: Pick<HttpDeps, 'log' | 'metrics' | 'corsOrigins' | 'denials'>): SomaApp {
  const app = new Hono<Env>()
  app.use(async function trace(c, next) {
    const { name: asked, attributes } = asReceived(name, c.req.method)
    await traced(asked, { kind: 'server', parent: traceparentOf(c) ?? null, attributes }, (span) => observe(c, next, span))
  })
  async function observe(c: Context<Env>, next: () => Promise<void>, span: Span | undefined): Promise<void> {
    const started = performance.now()
    c.set('requestId', saneRequestId(c.req.header('x-request-id')))
    c.set('outcome', {})
    c.set('standings', [])
    await next()
    c.get('endTurn')?.()
    const { method } = c.req
    const [requestId, outcome, route] = [c.get('requestId'), c.get('outcome'), routeOf(c)]
    c.header('x-request-id', requestId)
    c.header('x-content-type-options', 'nosniff')
    // a quota that refused may have written its own
    for (const [name, value] of Object.entries(rateLimitFields(c.get('standings')))) c.res.headers.append(name, value)
    if (!c.res.headers.has('cache-control')) c.header('cache-control', 'no-store')
    const endpoint = route ?? 'none'
    const ms = performance.now() - started
    const { status } = c.res
    deps.metrics.apiRequests.inc({ endpoint, method, status: String(status) })
    deps.metrics.apiLatency.observe({ endpoint, method }, ms / 1000)
    asAnswered(span, { method, route, status, requestId, outcome })
    const traceId = span?.traceId ?? traceIdOf(c.req.header('traceparent'))
    deps.log.info(
      { handler: name, endpoint, method, status, ms: Math.round(ms * 10) / 10, request_id: requestId, ...(traceId ? { trace_id: traceId } : {}), ...outcome },
      'request',
    )
  }
  if (deps.corsOrigins.length) app.use(cors(deps.corsOrigins))
  app.onError((error, c) => {
    const known = asAppError(error)
    if (known.code === 'internal') deps.log.error({ request_id: c.get('requestId'), err: known.details.cause }, 'internal error')
    c.get('outcome').code = known.code
    const by = c.get('caller') ?? known.details.denied?.by
    if (known.code === 'forbidden' && by) {
      const reason = known.details.denied?.reason ?? 'right'
      deps.denials.count({ tenantId: by.tenantId, actor: by.actor, target: `${c.req.method} ${routeOf(c) ?? 'none'}`, reason, requestId: c.get('requestId') })
    }
    return problemResponse(known, { path: c.req.path, id: c.get('requestId') })
  })
  app.notFound((c) => {
    const allowed = app.routes.filter((route) => route.method !== 'ALL' && matches(route.path, c.req.path)).map((route) => route.method)
    const error = allowed.length
      ? new AppError('method_not_allowed', `This path takes ${[...new Set(allowed)].join(', ')}.`, { headers: { allow: [...new Set(allowed)].join(', ') } })
      : new AppError('not_found', 'There is no such path; /docs lists them.')
    return problemResponse(error, { path: c.req.path, id: c.get('requestId') })
  })
  return app
}

/**
 * The verified caller and the request, as verbs take them. It counts on the limits of the key and the tenant, and waits for the tenant's turn, but for one that
 * `streams`: it would keep the turn as long as the caller likes. @throws AppError unauthenticated, forbidden, rate_limited, unavailable
 */
export async function contextOf(c: Context<Env>, deps: Omit<HttpDeps, 'authenticate'> & { authenticate: Authenticate['offline'] }, { streams = false } = {}): Promise<Ctx> {
  const caller = await deps.authenticate(c.req.raw)
  c.get('outcome').tenant = caller.tenant
  c.set('caller', caller)
  if (!holdsReach(c.req.method, routeOf(c))) assertUnlimited(caller)
  take(c, await deps.limiter.request(caller))
  // no operation that writes or reads a body takes parameters: one that was meant to narrow it is never ignored
  if (c.req.method !== 'GET' && c.req.method !== 'HEAD') queryOf(c, [])
  if (!streams) c.set('endTurn', await deps.turns.take(caller.tenantId, c.req.raw.signal))
  // what this stores continues the request's span; without tracing, the caller's
  const traceparent = currentTraceparent() ?? traceparentOf(c)
  return { ...caller, app: deps.app, worker: deps.worker, requestId: c.get('requestId'), traceparent, signingKey: deps.signingKey, signal: c.req.raw.signal }
}

/** Counts a call that stores many memories on the tenant's limit of those; that of a caller who may not does not count. @throws AppError forbidden, rate_limited */
export async function takeBatch(c: Context<Env>, deps: HttpDeps, ctx: Ctx): Promise<void> {
  requireScope(ctx, 'memory:write')
  take(c, await deps.limiter.batch(ctx))
}

function take(c: Context<Env>, { standings, refused }: Taken): void {
  c.get('standings').push(...standings)
  if (refused) throw refused
}

/** The header Idempotency-Key. @throws AppError invalid */
export function idempotencyKey(c: Context<Env>): string | undefined {
  const key = c.req.header('idempotency-key')
  if (key === undefined) return undefined
  if (key.length < 1 || key.length > 255 || textProblem(key)) throw new AppError('invalid', 'The header Idempotency-Key takes 1 to 255 characters.')
  return key
}

/** The version in If-Match (`"3"`, or `*` for any). @throws AppError invalid */
export function ifMatch(c: Context<Env>): number | undefined {
  const header = c.req.header('if-match')
  if (header === undefined || header === '*') return undefined
  const match = /^"?(\d{1,9})"?$/.exec(header.trim())
  if (!match) throw new AppError('invalid', 'The header If-Match takes the ETag of the memory, such as "3".')
  return Number(match[1])
}

/** The query string, when it has no other names than these, each at most once. @throws AppError invalid */
export function queryOf<Name extends string>(c: Context<Env>, names: readonly Name[]): { [name in Name]?: string } {
  const given = new URL(c.req.url).searchParams
  const errors = [...new Set(given.keys())].flatMap((name): FieldError[] => {
    const pointer = `/${name}`
    if (!(names as readonly string[]).includes(name)) return [{ pointer, detail: 'is not a parameter here' }]
    if (given.getAll(name).length > 1) return [{ pointer, detail: 'is given more than once' }]
    const wrong = textProblem(given.get(name) ?? '')
    return wrong ? [{ pointer, detail: wrong }] : []
  })
  if (errors.length) throw new AppError('invalid', errors.map(({ pointer, detail }) => `The query parameter ${pointer.slice(1)} ${detail}.`).join(' '), { errors })
  return Object.fromEntries(given) as { [name in Name]?: string }
}

function saneRequestId(given: string | undefined): string {
  return given && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID()
}

const traceparentOf = (c: Context<Env>): string | undefined => saneTraceparent(c.req.header('traceparent'))

/** The route template, so that the label stays bounded. */
const routeOf = (c: Context<Env>): string | undefined => c.req.matchedRoutes.findLast((one) => one.method !== 'ALL')?.path

function matches(template: string, path: string): boolean {
  const pattern = template.split('/')
  const parts = path.split('/')
  return pattern.length === parts.length && pattern.every((step, i) => step.startsWith(':') || step === parts[i])
}

function cors(origins: string[]) {
  return async function allowListedOrigins(c: Context<Env>, next: () => Promise<void>) {
    const origin = c.req.header('origin')
    const allowed = origin !== undefined && origins.includes(origin)
    if (c.req.method === 'OPTIONS' && allowed) {
      return c.body(null, 204, {
        'access-control-allow-origin': origin,
        vary: 'origin',
        'access-control-allow-methods': 'GET, POST, PUT, PATCH, DELETE',
        'access-control-allow-headers': 'authorization, content-type, idempotency-key, if-match, x-request-id, x-api-key',
        'access-control-max-age': '600',
      })
    }
    await next()
    if (allowed) {
      c.header('access-control-allow-origin', origin)
      c.header('vary', 'origin')
      c.header('access-control-expose-headers', 'etag, x-request-id, idempotent-replayed, retry-after, ratelimit, ratelimit-policy')
    }
  }
}
