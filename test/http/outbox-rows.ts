import { adminSql, queueRows } from '../db/admin.ts'
import type { Answer, Caller, Product } from '../support/engines.ts'

export type Row = { id: string; status: string; event_id: string }
type Audit = { actor: string; action: string; target: string | null; detail: Record<string, unknown> }

/** The operators' surface as a test speaks to it, and what it leaves in the tables. */
export function outboxOf(product: () => Product) {
  const call = (caller: Caller | null, method: string, path: string, body?: unknown): Promise<Answer> => product().call(caller, method, path, body)
  const set = (caller: Caller, change: string, where = 'true') => adminSql(product(), `update outbox set ${change} where tenant_id = $1::integer and ${where}`, [caller.tenantId])
  return {
    call,
    set,
    replay: (caller: Caller, body: unknown) => call(caller, 'POST', '/v1/outbox/replay', body),
    purge: (caller: Caller, body: unknown) => call(caller, 'POST', '/v1/outbox/purge', body),
    list: async (caller: Caller, search = ''): Promise<Row[]> => (await call(caller, 'GET', `/v1/outbox?limit=500&${search}`)).body.items,
    audits: (caller: Caller) =>
      adminSql<Audit>(product(), `select actor, action, target, detail from audit_log where tenant_id = $1::integer and action like 'outbox.%' order by seq`, [caller.tenantId]),
    /** A tenant with so many dead rows. */
    async withDead(rows: number): Promise<Caller> {
      const ada = await product().tenant()
      await queueRows(product(), ada, rows)
      await set(ada, `status = 'dead', attempts = 10, last_error = 'the broker is away', next_attempt_at = now() + interval '5 minutes'`)
      return ada
    },
  }
}
