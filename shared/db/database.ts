import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { AppError } from '../problem/index.ts'
import { lostPlanOf, planned } from './plans.ts'
import { isRetryable, toAppError, unreachableDetail } from './sqlstate.ts'

/** Each query of it is a transaction of its own: for verbs that need one statement only. */
export function singly(db: Database, access: Access): Sql {
  return { query: (text, values) => db.statement(access, text, values) }
}

/** What a statement runs on. Rows come as pg parses them: int8 as text, timestamptz as Date, jsonb as its value. */
export type Sql = { query<Row = Record<string, unknown>>(text: string, values?: unknown[]): Promise<Row[]> }
export type Role = 'soma_app' | 'soma_worker'
/**
 * Who acts: the role and the tenant that row-level security sees; `tenantId: null` for the worker's cross-tenant tables. `plans: 'kept'` is for few statements that
 * are asked again and again, of a tenant: each is planned once a connection, for any values, so its plan must not depend on them (test/db/plans.test.ts).
 */
export type Access = { role: Role; tenantId: number | null; readOnly?: boolean; timeoutMs?: number; plans?: 'kept' }

/** What every transaction is told besides, by the name of the setting. */
export type Settings = Record<string, string>

export type Database = {
  engine: 'postgres' | 'pglite'
  /** Runs `work` in one transaction under forced row-level security; deadlocks and serialization failures are tried again. @throws AppError */
  transaction<T>(access: Access, work: (tx: Sql) => Promise<T>): Promise<T>
  /** One statement as a transaction of its own. On a real Postgres begin, statement and commit travel together: one round trip. @throws AppError */
  statement<Row = Record<string, unknown>>(access: Access, text: string, values?: unknown[]): Promise<Row[]>
  /** As the login itself, outside row-level security's roles: for migrations and index builds only. */
  maintenance<T>(work: (sql: Sql) => Promise<T>): Promise<T>
  close(): Promise<void>
}

export const defaultTimeoutMs = 15_000
const attempts = 4

/** A database over any pool that speaks pg: real Postgres and the embedded engine are the same code from here on. */
export function databaseOver(
  pool: pg.Pool,
  engine: Database['engine'],
  close: () => Promise<void>,
  {
    timeoutMs = defaultTimeoutMs,
    settings = {},
    onNoPlans,
    renew,
  }: { timeoutMs?: number | undefined; settings?: Settings; onNoPlans?: (error: Error) => void; renew?: Renew } = {},
): Database {
  const connected = () => connect(pool, renew)
  const given = Object.entries(settings).map(([name, value]) => `, set_config('${name}', '${value.replaceAll("'", "''")}', true)`)
  // only where somebody hears that it had to be given up
  let keepsPlans = onNoPlans !== undefined
  const started = (access: Access, planLost: boolean): Started => {
    const kept = keepsPlans && !planLost && access.plans === 'kept' && access.tenantId !== null ? access.tenantId : undefined
    return { begin: beginText({ timeoutMs, ...access }, kept === undefined ? given.join('') : [...given, genericPlans].join('')), kept }
  }
  const lostPlan = (error: unknown): boolean => {
    const lost = lostPlanOf(error)
    if (lost === 'pooler' && keepsPlans) {
      keepsPlans = false
      onNoPlans?.(error as Error)
    }
    return lost !== undefined
  }
  return {
    engine,
    close,
    transaction: (access, work) => retrying((planLost) => once(connected, started(access, planLost), work), lostPlan),
    statement: <Row>(access: Access, text: string, values?: unknown[]) => retrying((planLost) => single<Row>(connected, started(access, planLost), text, values), lostPlan),
    maintenance: async (work) => {
      const client = await connected()
      try {
        return await work(sqlOf(client))
      } finally {
        client.release()
      }
    },
  }
}

type Connected = () => Promise<pg.PoolClient>
/** Gets the login's present password, for connections from now on; false where it cannot be had. */
export type Renew = () => Promise<boolean>

/** What a transaction begins with, and the tenant whose plans are kept in it. */
type Started = { begin: string; kept: number | undefined }
const genericPlans = `, set_config('plan_cache_mode', 'force_generic_plan', true)`

/** After a lost plan it goes on without any: the next connection may have lost its own. */
async function retrying<T>(run: (planLost: boolean) => Promise<T>, lostPlan: (error: unknown) => boolean): Promise<T> {
  let planLost = false
  for (let attempt = 1; ; attempt++) {
    try {
      return await run(planLost)
    } catch (error) {
      planLost ||= lostPlan(error)
      if (!(isRetryable(error) || lostPlanOf(error)) || attempt === attempts) throw toAppError(error)
      await sleep(Math.random() * 20 * 2 ** attempt)
    }
  }
}

async function once<T>(connected: Connected, { begin, kept }: Started, work: (tx: Sql) => Promise<T>): Promise<T> {
  const client = await connected()
  let broken: Error | undefined
  try {
    // begin travels with the first statement where the connection can. Its own failure aborts what follows, so it is told first
    const beginning = client.query(begin)
    if (!pipelines(client)) await beginning
    const [began, worked] = await Promise.allSettled([beginning, work(sqlOf(client, kept))])
    if (began.status === 'rejected') throw began.reason
    if (worked.status === 'rejected') throw worked.reason
    await client.query('commit')
    return worked.value
  } catch (error) {
    // a connection that cannot roll back, or whose plans are no good, is not given to anybody else
    if (lostPlanOf(error)) broken = error as Error
    await client.query('rollback').catch((rollbackError: Error) => {
      broken = rollbackError
    })
    throw error
  } finally {
    client.release(broken)
  }
}

/** Sends begin, the statement and commit without waiting in between. A statement that fails makes that commit a rollback. */
async function single<Row>(connected: Connected, started: Started, text: string, values: unknown[] = []): Promise<Row[]> {
  const client = await connected()
  if (!pipelines(client)) {
    client.release()
    return once(connected, started, (tx) => tx.query<Row>(text, values))
  }
  let broken: Error | undefined
  try {
    const [began, asked, ended] = await Promise.allSettled([client.query(started.begin), sqlOf(client, started.kept).query<Row>(text, values), client.query('commit')])
    if (ended.status === 'rejected') broken = ended.reason
    if (asked.status === 'rejected' && lostPlanOf(asked.reason)) broken = asked.reason
    for (const one of [began, asked, ended]) if (one.status === 'rejected') throw one.reason
    return (asked as PromiseFulfilledResult<Row[]>).value
  } finally {
    client.release(broken)
  }
}

/**
 * Begin, role, tenant and deadline in one round trip; all local to the transaction, so a transaction pooler may sit between. No parallel workers:
 * measured, they cost a recall of one millisecond's work twelve.
 */
function beginText({ role, tenantId, readOnly, timeoutMs = defaultTimeoutMs }: Access, given: string): string {
  const tenant = tenantId === null ? '' : String(Math.trunc(tenantId))
  const mode = readOnly ? ' isolation level repeatable read read only' : ''
  return `begin${mode}; select set_config('role', '${role}', true), set_config('soma.tenant', '${tenant}', true), set_config('statement_timeout', '${Math.trunc(timeoutMs)}', true), set_config('max_parallel_workers_per_gather', '0', true)${given}`
}

/** The embedded engine's connection takes one statement at a time. */
function pipelines(client: pg.PoolClient): boolean {
  return 'pipeline' in client && client.pipeline === true
}

function sqlOf(client: pg.ClientBase, kept?: number): Sql {
  return {
    async query<Row>(text: string, values?: unknown[]) {
      const result = await (kept === undefined ? client.query(text, values) : client.query({ ...planned(client, kept, text), ...(values ? { values } : {}) }))
      return result.rows as Row[]
    },
  }
}

/** A password that is not taken any more may have been rotated: it is asked for anew, and tried once. */
async function connect(pool: pg.Pool, renew?: Renew): Promise<pg.PoolClient> {
  try {
    return await pool.connect()
  } catch (cause) {
    if (renew && cause instanceof Error && 'code' in cause && cause.code === '28P01' && (await renew())) return connect(pool)
    throw new AppError('unavailable', unreachableDetail, { cause, retryAfterSeconds: 2 })
  }
}

/**
 * Refuses to go on when a transaction's effective role could pass by row-level security. Answers whether the login itself could (a superuser, as
 * the embedded engine's always is): that is for the caller to judge. @throws Error
 */
export async function assertSafeRole(db: Database, role: Role): Promise<{ loginIsSafe: boolean }> {
  type Row = { name: string; login: string; unsafe: boolean; login_unsafe: boolean; owns: boolean }
  const refuse = (name: string | undefined) =>
    new Error(`Transactions would run as "${name}", which is not bound by row-level security. Grant ${role} to the login of the database URL.`)
  const [row] = await db
    .transaction({ role, tenantId: null, readOnly: true }, (tx) =>
      tx.query<Row>(`
        select r.rolname as name, session_user::text as login, r.rolsuper or r.rolbypassrls as unsafe, l.rolsuper or l.rolbypassrls as login_unsafe,
          exists (select from pg_class c where c.oid = to_regclass('memories') and pg_catalog.pg_has_role(current_user, c.relowner, 'usage')) as owns
        from pg_roles r, pg_roles l where r.rolname = current_user and l.rolname = session_user`),
    )
    .catch((cause) => {
      const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
      throw code === '42501' || code === '22023' ? new Error(`The login of the database URL may not act as ${role}: run "grant ${role} to <login>".`, { cause }) : cause
    })
  if (!row || row.unsafe || row.owns || row.name !== role) throw refuse(row?.name)
  return { loginIsSafe: !row.login_unsafe }
}
