import { beforeAll, expect, test } from 'vitest'
import { type AuditEntry, type AuditRecord, createDenials, type Denial, sealAudit } from '../../shared/audit/index.ts'
import type { EventRecord, RecordFailure } from '../../shared/handler/index.ts'
import { adminSql, loseWakeUps } from '../db/admin.ts'
import { auditSigner } from '../support/audit.ts'
import { type Answer, type Caller, describeEngines } from '../support/engines.ts'
import { expectProblem, systemKey } from './checks.ts'

const signal = new AbortController().signal
const failed = (error: unknown) => {
  throw error
}

describeEngines('the audit log over HTTP', (product) => {
  const call = (caller: Caller, method: string, path: string, body?: unknown, headers?: Record<string, string>) => product().call(caller, method, path, body, headers)
  const list = async (caller: Caller, query = ''): Promise<AuditEntry[]> => (await call(caller, 'GET', `/v1/audit${query}`)).body.items
  beforeAll(() => loseWakeUps(product()))

  test('lists who did what, the newest first, with its place once it is sealed; by action and time, page by page', async () => {
    const ada = await product().tenant()
    const { body } = await call(ada, 'POST', '/v1/memories', { text: 'tea' }, { 'x-request-id': 'r1' })
    await call(ada, 'DELETE', `/v1/memories/${body.id}`)
    await call(ada, 'POST', '/v1/keys', { name: 'reader' })
    expect((await list(ada)).map(({ action, position }) => [action, position])).toEqual([
      ['key.create', null],
      ['memory.forget', null],
      ['memory.store', null],
    ])
    await product().local.runJob('seal-audit')
    const items = await list(ada)
    expect(items.map(({ position }) => position)).toEqual([3, 2, 1])
    expect(items[2]).toEqual({
      seq: expect.stringMatching(/^\d+$/),
      tenant: ada.tenant,
      at: expect.stringMatching(/Z$/),
      actor: expect.stringMatching(/^key:/),
      action: 'memory.store',
      target: body.id,
      request_id: 'r1',
      detail: null,
      position: 1,
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect((await list(ada, '?action=memory.forget')).map(({ target }) => target)).toEqual([body.id])
    const from = items[1]?.at as string
    expect((await list(ada, `?from=${from}`)).length + (await list(ada, `?to=${from}`)).length).toBe(3)
    expect(await list(ada, '?to=2020-01-01T00:00:00Z')).toEqual([])
    const paged: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: Answer = await call(ada, 'GET', `/v1/audit?limit=2${cursor && `&cursor=${cursor}`}`)
      paged.push(...page.body.items.map((one: AuditEntry) => one.seq))
      cursor = page.body.next_cursor
    }
    expect(paged).toEqual(items.map(({ seq }) => seq))
    expectProblem(await call(ada, 'GET', '/v1/audit?action=DROP'), 'invalid', '/action')
    expectProblem(await call(ada, 'GET', '/v1/audit?from=yesterday'), 'invalid', '/from')
    const { next_cursor } = (await call(ada, 'GET', '/v1/audit?limit=2')).body
    expectProblem(await call(ada, 'GET', `/v1/audit?limit=2&action=key.create&cursor=${next_cursor}`), 'invalid', '/cursor')
  })

  test('tells on /metrics how old a row without a place can be: until the job has come to its end for every tenant', async () => {
    const age = async () => Number(/^audit_unsealed_age_seconds (\S+)$/m.exec((await product().call(null, 'GET', '/metrics')).text)?.[1])
    await adminSql(product(), `update audit_sealer set sealed_until = now() - interval '1 hour'`)
    expect(await age()).toBeGreaterThanOrEqual(3_600)
    const ending = new AbortController()
    ending.abort()
    expect(await product().local.runJob('seal-audit', ending.signal)).toMatchObject({ remaining: true })
    expect(await age()).toBeGreaterThanOrEqual(3_600)
    await product().local.runJob('seal-audit')
    expect(await age()).toBeLessThan(3_600)
  })

  test('takes the scope admin for one’s own, and platform:audit, which only the system tenant has, for another’s', async () => {
    const [ada, reader, wouldBe] = [await product().tenant(), await product().tenant(['memory:read']), await product().tenant(['platform:audit', 'admin'])]
    await call(ada, 'POST', '/v1/memories', { text: 'tea' })
    const operator = await systemKey(product(), ['platform:audit'])
    expectProblem(await call(reader, 'GET', '/v1/audit'), 'forbidden')
    expectProblem(await call(wouldBe, 'GET', `/v1/audit?tenant=${ada.tenant}`), 'forbidden')
    expectProblem(await call(operator, 'GET', '/v1/audit'), 'forbidden')
    expectProblem(await call(operator, 'GET', '/v1/audit?tenant=nobody'), 'invalid', '/tenant')
    expect((await list(operator, `?tenant=${ada.tenant}`)).map(({ tenant, action }) => [tenant, action])).toEqual([[ada.tenant, 'memory.store']])
  })

  test('has what was denied to a known caller: a scope that lacks, another tenant, one that is suspended; and nothing of who is not known', async () => {
    const reader = await product().tenant(['memory:read'])
    const request = { 'x-request-id': 'first' }
    expectProblem(await call(reader, 'POST', '/v1/keys', {}, request), 'forbidden')
    expectProblem(await call(reader, 'POST', '/v1/keys', {}), 'forbidden')
    expectProblem(await call(reader, 'DELETE', '/v1/memories/01900000-0000-7000-8000-000000000000'), 'forbidden')
    expectProblem(await call(reader, 'POST', '/v1/recall', { query: 'tea' }, { 'x-tenant-id': 'default' }), 'forbidden')
    expectProblem(await call({ ...reader, key: reader.key.replace(/[0-9a-f]{64}$/, '0'.repeat(64)) }, 'GET', '/v1/keys'), 'unauthenticated')
    const gone = await product().tenant()
    await adminSql(product(), `update tenants set status = 'suspended' where tenant_id = $1::integer`, [gone.tenantId])
    expectProblem(await call(gone, 'GET', '/v1/keys'), 'forbidden')
    await product().local.flushReads()
    const denied = (caller: Caller) =>
      adminSql(product(), `select target, actor like 'key:%' as by_key, detail from audit_log where tenant_id = $1::integer and action = 'request.denied' order by seq`, [
        caller.tenantId,
      ])
    expect(await denied(reader)).toEqual([
      { target: 'POST /v1/keys', by_key: true, detail: { reason: 'scope admin', count: 2 } },
      { target: 'DELETE /v1/memories/:id', by_key: true, detail: { reason: 'scope memory:delete', count: 1 } },
      { target: 'POST /v1/recall', by_key: true, detail: { reason: 'other tenant', count: 1 } },
    ])
    expect(await denied(gone)).toEqual([{ target: 'GET /v1/keys', by_key: true, detail: { reason: 'suspended', count: 1 } }])
    const [first] = await adminSql<{ request_id: string }>(product(), `select request_id from audit_log where tenant_id = $1::integer and target = 'POST /v1/keys'`, [
      reader.tenantId,
    ])
    expect(first?.request_id).toBe('first')
  })

  test('has a row a minute of what is denied again and again, with a count; a flush that fails loses none and one that is repeated adds none', async () => {
    const ada = await product().tenant()
    let now = Date.parse('2026-12-01T12:00:00Z')
    const errors: unknown[] = []
    let goes: 'well' | 'away' | 'answer lost' = 'well'
    const app = product().local.db.app
    const statement = (async (...args) => {
      if (goes === 'away') throw new Error('away')
      const rows = await app.statement(...args)
      if (goes === 'answer lost') throw new Error('lost')
      return rows
    }) as typeof app.statement
    const flaky = { ...app, statement }
    const denials = createDenials(flaky, (error) => errors.push(error), { everyMs: 3_600_000, now: () => now })
    const denial: Denial = { tenantId: ada.tenantId, actor: 'key:x', target: 'POST /v1/keys', reason: 'scope admin', requestId: 'r' }
    const counts = async () =>
      (
        await adminSql<{ count: number }>(product(), `select (detail->>'count')::integer as count from audit_log where tenant_id = $1::integer order by at, seq`, [ada.tenantId])
      ).map(({ count }) => count)
    denials.count(denial)
    await denials.flush()
    expect(await counts()).toEqual([1])
    for (let i = 0; i < 1_000; i++) denials.count(denial)
    now += 30_000
    await denials.flush()
    expect(await counts()).toEqual([1])
    now += 30_000
    goes = 'away'
    await denials.flush()
    expect([await counts(), errors.length]).toEqual([[1], 1])
    goes = 'answer lost'
    await denials.flush()
    expect([await counts(), errors.length]).toEqual([[1, 1_000], 2])
    goes = 'well'
    denials.count(denial)
    await denials.flush()
    expect(await counts()).toEqual([1, 1_000])
    await denials.close()
    expect(await counts()).toEqual([1, 1_000, 1])
    // three thousand names are not three thousand rows, in however many flushes; another tenant's are told apart all the same
    const many = createDenials(app, failed, { everyMs: 3_600_000, now: () => now, mostEntries: 100_000 })
    const bob = await product().tenant()
    for (let i = 0; i < 3_000; i++) {
      many.count({ ...denial, actor: `key:${i}` })
      if (i === 1_500) await many.flush()
    }
    many.count({ ...denial, tenantId: bob.tenantId })
    await many.close()
    expect(await adminSql(product(), 'select actor, target from audit_log where tenant_id = $1::integer', [bob.tenantId])).toEqual([{ actor: 'key:x', target: 'POST /v1/keys' }])
    const [row] = await adminSql<{ rows: number; all: number }>(
      product(),
      `select count(*)::integer as rows, sum((detail->>'count')::integer)::integer as all from audit_log where tenant_id = $1::integer and actor <> 'key:x'`,
      [ada.tenantId],
    )
    // the last flush writes the others once more
    expect(row).toEqual({ rows: 102, all: 3_000 })
  })

  test('is published on soma.audit in the order of the chain, at least once, and never has a text, a payload or a query', async () => {
    const canary = 'canary-7f3k9q'
    const ada = await product().tenant()
    const full = { text: `I said ${canary}`, payload: { note: canary }, metadata: { secret: canary }, tags: [canary] }
    const { body: one } = await call(ada, 'POST', '/v1/memories', full)
    const { body: two } = await call(ada, 'POST', '/v1/memories', { messages: [{ role: 'user', content: canary }] })
    await call(ada, 'POST', '/v1/memories/bulk', { items: [full, { text: canary }] })
    await call(ada, 'PATCH', `/v1/memories/${one.id}`, { text: `${canary} again`, metadata: { more: canary } })
    await call(ada, 'POST', '/v1/links', { from: one.id, to: two.id, metadata: { why: canary } })
    await call(ada, 'POST', '/v1/recall', { query: canary, filters: { text: { contains: canary } } })
    await call(ada, 'POST', '/v1/memories/list', { filters: { 'metadata.secret': canary } })
    const exported = await call(ada, 'GET', '/v1/export?versions=true&links=true')
    expect(exported.text).toContain(canary)
    await call(ada, 'POST', '/v1/import', `${JSON.stringify({ id: '01890000-0000-7000-8000-00000000eeee', text: canary })}\n`, { 'content-type': 'application/x-ndjson' })
    await call(ada, 'POST', '/store', { coord: '1,2', payload: { note: canary } })
    await call(ada, 'GET', `/recall?query=${canary}`)
    const filters = { text: { contains: canary } }
    const { body: dry } = await call(ada, 'POST', '/v1/memories/forget', { filters })
    expect((await call(ada, 'POST', '/v1/memories/forget', { filters, dry_run: false, confirm: dry.confirm })).body.deleted).toBeGreaterThan(2)
    await call(ada, 'POST', '/v1/keys', { name: canary })
    await product().local.flushReads()

    const taken: EventRecord[] = []
    let refuses = 0
    const publisher = {
      name: 'capture',
      async publish(records: EventRecord[]): Promise<(RecordFailure | null)[]> {
        if (refuses-- > 0) return records.map((_, index) => ({ index, error: new Error('away'), poison: false, away: true }))
        taken.push(...records)
        return records.map(() => null)
      },
    }
    const deps = { worker: product().local.db.worker, signer: auditSigner, publisher, generation: async () => 1, onFailure: () => {} }
    refuses = 1
    await sealAudit(deps, signal)
    expect(taken).toEqual([])
    await sealAudit(deps, signal)
    const own = taken.filter(({ key }) => key === ada.tenant).map(({ value }) => JSON.parse(value as string) as AuditRecord)
    const rows = (await list(ada, '?limit=500')).toSorted((a, b) => (a.position ?? 0) - (b.position ?? 0))
    expect(own.map(({ position, hash, action, detail }) => [position, hash, action, detail])).toEqual(
      rows.map(({ position, hash, action, detail }) => [position, hash, action, detail]),
    )
    expect([...new Set(own.map(({ action }) => action))].toSorted()).toEqual(
      ['export.stream', 'key.create', 'link.create', 'memory.forget', 'memory.import', 'memory.patch', 'memory.store'].toSorted(),
    )
    // what was acknowledged is not sent again; where that was not written down, it is
    taken.length = 0
    await sealAudit(deps, signal)
    expect(taken).toEqual([])
    await adminSql(product(), 'update audit_heads set published = 3 where tenant_id = $1::integer', [ada.tenantId])
    await sealAudit(deps, signal)
    expect(taken.map(({ value }) => JSON.parse(value as string).position)).toEqual(own.slice(3).map(({ position }) => position))
    // a transport that breaks sends nothing and stops no sealer, a row that is gone holds up none of the others
    await adminSql(product(), 'update audit_heads set published = 0 where tenant_id = $1::integer', [ada.tenantId])
    await adminSql(product(), 'delete from audit_log where tenant_id = $1::integer and seq = $2::bigint', [ada.tenantId, own[1]?.seq])
    taken.length = 0
    const breaking = { name: 'breaking', publish: () => Promise.reject(new Error('broken')) }
    expect(await sealAudit({ ...deps, publisher: breaking }, signal)).toMatchObject({ remaining: false })
    await sealAudit(deps, signal)
    expect(taken.map(({ value }) => JSON.parse(value as string).position)).toEqual(own.map(({ position }) => position).toSpliced(1, 1))

    const [everything] = await adminSql<{ text: string }>(product(), `select string_agg(l::text, ' ') as text from audit_log l`)
    expect(everything?.text).toContain(one.id)
    for (const text of [everything?.text, JSON.stringify(taken), JSON.stringify(own)]) expect(text).not.toContain(canary)
  })
})
