import { randomUUID } from 'node:crypto'
import { listAudit } from '../../shared/audit/index.ts'
import type { Client } from '../../shared/client/index.ts'
import { listOutbox, outboxSummary, purgeOutbox, replayOutbox } from '../../shared/outbox/index.ts'
import { AppError } from '../../shared/problem/index.ts'
import { getRun, listRuns, type RunKind, requestRun } from '../../shared/recovery/index.ts'
import { allScopes, type Ctx, changeTenant, createKey, createTenant, listKeys, listTenants, revokeKey, rotateKey } from '../../shared/tenant/index.ts'
import type { Local } from '../adapter.ts'
import { type Connection, connect } from './connect.ts'
import { CommandError } from './failure.ts'
import { type Globals, refuseUrl } from './globals.ts'

type Administration = Pick<Client, 'audit' | 'backups' | 'drills' | 'keys' | 'outbox' | 'tenants'>

/** The keys of one tenant: over HTTP that of the credential, which must then be the one that is named. */
export function administerKeys<T>(globals: Globals, tenant: string | undefined, work: (keys: Client['keys']) => Promise<T>): Promise<T> {
  return administer(globals, { actAs: tenant ?? 'default', named: tenant }, ({ keys }) => work(keys))
}

/** All tenants: over HTTP that takes a key of the tenant "system". */
export function administerTenants<T>(globals: Globals, work: (tenants: Client['tenants']) => Promise<T>): Promise<T> {
  return administer(globals, { actAs: 'system' }, ({ tenants }) => work(tenants))
}

/** The outbox of one tenant, or for a summary of all: over HTTP that of the credential, unless it has platform:outbox. */
export function administerOutbox<T>(globals: Globals, tenant: string | undefined, work: (outbox: Client['outbox'], connection: Connection) => Promise<T>): Promise<T> {
  return administer(globals, { actAs: tenant ?? 'default' }, ({ outbox }, connection) => work(outbox, connection))
}

/** The audit log of one tenant: over HTTP that of the credential, unless it has platform:audit. */
export function administerAudit<T>(globals: Globals, tenant: string | undefined, work: (list: Client['audit']) => Promise<T>): Promise<T> {
  return administer(globals, { actAs: tenant ?? 'default' }, ({ audit }) => work(audit))
}

/** Backups or drills: over HTTP that takes a key of the tenant "system". */
export function administerRuns<T>(globals: Globals, kind: RunKind, work: (runs: Client['backups']) => Promise<T>): Promise<T> {
  return administer(globals, { actAs: 'system' }, ({ backups, drills }) => work(kind === 'backup' ? backups : drills))
}

/** What is no tenant's own, by an operator at the database itself: audited in the log of the tenant "system". */
export async function administerInstallation<T>(globals: Globals, command: string, work: (operator: Ctx) => Promise<T>): Promise<T> {
  refuseUrl(globals, command)
  const connection = await connect(globals)
  try {
    if (!connection.local) throw needsTheDatabase(connection.servedAt ?? '', 'system')
    return await work(await operatorOf(connection.local, 'system'))
  } finally {
    await connection.close()
  }
}

type Acting = { actAs: string; named?: string | undefined }
async function administer<T>(globals: Globals, { actAs, named }: Acting, work: (administration: Administration, connection: Connection) => Promise<T>): Promise<T> {
  const connection = await connect(globals, named)
  try {
    if (connection.servedAt && !globals.token && actAs !== 'default') throw needsTheDatabase(connection.servedAt, actAs)
    return await work(connection.local ? directly(connection.local, await operatorOf(connection.local, actAs)) : connection.client, connection)
  } finally {
    await connection.close()
  }
}

function needsTheDatabase(url: string, tenant: string): CommandError {
  const right = tenant === 'system' ? 'with the scope platform:tenants' : `of the tenant "${tenant}"`
  return new CommandError(
    'unavailable',
    `A server at ${url} has the embedded database open, and without a credential it acts for the tenant "default" only. Stop the server and run this again, or give a key ${right} by --token, or keep the data in Postgres (POSTGRES_URL).`,
  )
}

function directly({ config }: Local, ctx: Ctx): Administration {
  return {
    keys: {
      create: (key) => createKey(ctx, config.STAGE, key ?? {}),
      list: () => listKeys(ctx),
      revoke: (id) => revokeKey(ctx, id),
      rotate: (id, how) => rotateKey(ctx, config.STAGE, id, how ?? {}),
    },
    tenants: {
      create: (name) => createTenant(ctx, config.STAGE, { name }),
      list: (cursor) => listTenants(ctx, cursor),
      suspend: (name) => changeTenant(ctx, name, { status: 'suspended' }),
      resume: (name) => changeTenant(ctx, name, { status: 'active' }),
      limit: (name, limits) => changeTenant(ctx, name, { limits }),
    },
    audit: ({ limit, ...query } = {}) => listAudit(ctx, { ...query, ...(limit === undefined ? {} : { limit: String(limit) }) }),
    backups: runsOf(ctx, 'backup'),
    drills: runsOf(ctx, 'drill'),
    outbox: {
      list: ({ limit, ...query } = {}) => listOutbox(ctx, { ...query, ...(limit === undefined ? {} : { limit: String(limit) }) }),
      summary: (query) => outboxSummary(ctx, query ?? {}),
      replay: async (rows) => (await replayOutbox(ctx, rows)).body,
      purge: async (rows) => (await purgeOutbox(ctx, rows)).body,
    },
  }
}

function runsOf(ctx: Ctx, kind: RunKind): Client['backups'] {
  return {
    list: ({ limit, ...query } = {}) => listRuns(ctx, kind, { ...query, ...(limit === undefined ? {} : { limit: String(limit) }) }),
    get: (id) => getRun(ctx, kind, id),
    request: () => requestRun(ctx, kind),
  }
}

/** Whoever works on the database itself may do everything, and the audit log says that it was the command line. @throws AppError not_found */
export async function operatorOf({ db }: Local, tenant: string): Promise<Ctx> {
  const [row] = await db.worker.transaction({ role: 'soma_worker', tenantId: null, readOnly: true }, (tx) =>
    tx.query<{ tenant_id: number }>('select tenant_id from tenants where name = $1::text', [tenant]),
  )
  if (!row) throw new AppError('not_found', `There is no tenant "${tenant}": \`soma tenant list\` names them.`)
  return { tenantId: row.tenant_id, tenant, actor: 'cli', scopes: new Set(allScopes), limits: {}, app: db.app, worker: db.worker, requestId: randomUUID(), signingKey: '' }
}
