import { beforeAll, expect, test } from 'vitest'
import { type Answer, type Caller, describeEngines } from '../support/engines.ts'
import { adminSql, idsOf, rowCounts } from './admin.ts'

const missing = '019a0000-0000-7000-8000-000000000000'
const key = (value: string) => ({ 'idempotency-key': value })
const replayed = (answer: Answer) => answer.headers.get('idempotent-replayed')
const traces = ['links', 'outbox', 'audit_log', 'idempotency'] as const

describeEngines('links', (product) => {
  let ada: Caller
  beforeAll(async () => {
    ada = await product().tenant()
  })
  const call = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => product().call(ada, method, path, body, headers)
  const link = (body: unknown, headers?: Record<string, string>) => call('POST', '/v1/links', body, headers)

  async function memories(count: number, more: object = {}): Promise<string[]> {
    const stored = await call('POST', '/v1/memories/bulk', { items: Array.from({ length: count }, (_, i) => ({ text: `memory ${i}`, ...more })) })
    return idsOf(stored.body.results)
  }

  test('a link is answered as it was stored, with its defaults', async () => {
    const [from, to] = await memories(2)
    const plain = await link({ from, to })
    expect([plain.status, plain.body]).toEqual([
      201,
      { id: expect.any(String), from, to, type: 'related', weight: 1, metadata: {}, created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) },
    ])
    const full = await link({ from: from?.toUpperCase(), to, type: 'explains', weight: 0.25, metadata: { by: ['a', { b: null }] } })
    expect([full.status, full.body]).toMatchObject([201, { from, to, type: 'explains', weight: 0.25, metadata: { by: ['a', { b: null }] } }])
    expect(full.body.id).not.toBe(plain.body.id)
    expect((await link({ from: to, to: from })).status).toBe(201)
  })

  test('the same ends and type replace the weight, and the metadata when some is given, and keep id and time', async () => {
    const [from, to] = await memories(2)
    const first = await link({ from, to, metadata: { a: 1 } })
    const second = await link({ from, to, weight: 3 })
    expect([second.status, second.body]).toEqual([200, { ...first.body, weight: 3 }])
    const third = await link({ from, to, metadata: {} })
    expect([third.status, third.body]).toEqual([200, { ...first.body, weight: 1, metadata: {} }])
    const [row] = await adminSql(product(), 'select version, recorded_at >= created_at as later from links where tenant_id = $1::integer and id = $2::uuid', [
      ada.tenantId,
      first.body.id,
    ])
    expect(row).toEqual({ version: 3, later: true })
    // types are compared as they are
    expect((await link({ from, to, type: 'Related' })).status).toBe(201)
    expect((await link({ from, to, type: 'related ' })).status).toBe(201)
    expect((await link({ from, to, type: '%' })).status).toBe(201)
  })

  test('an end that is absent, forgotten, expired, superseded or not yet valid is named, and nothing is written', async () => {
    const [here, gone, older] = await memories(3)
    const [expired] = await memories(1, { expires_at: '2020-01-01T00:00:00Z' })
    const [early] = await memories(1, { valid_from: '2999-01-01T00:00:00Z' })
    await call('DELETE', `/v1/memories/${gone}`)
    await call('POST', '/v1/memories', { text: 'newer', supersedes: older })
    const before = await rowCounts(product(), ada, traces)
    for (const absent of [missing, gone, expired, older, early]) {
      const [to, from] = [await link({ from: here, to: absent }, key('k')), await link({ from: absent, to: here })]
      expect([to.status, to.body.code, to.body.errors]).toEqual([422, 'invalid', [{ pointer: '/to', detail: 'there is no present memory with this id' }]])
      expect([from.status, from.body.errors.map((one: { pointer: string }) => one.pointer)]).toEqual([422, ['/from']])
    }
    const both = await link({ from: gone, to: missing })
    expect(both.body.errors.map((one: { pointer: string }) => one.pointer)).toEqual(['/from', '/to'])
    expect(await rowCounts(product(), ada, traces)).toEqual(before)
  })

  test('a memory is not linked to itself', async () => {
    const [id] = await memories(1)
    const itself = await link({ from: id, to: id?.toUpperCase() })
    expect([itself.status, itself.body.errors]).toEqual([422, [{ pointer: '/to', detail: 'must be another memory than from' }]])
  })

  test('a link is removed once; what is no link of the tenant is not found', async () => {
    const [from, to] = await memories(2)
    const { body } = await link({ from, to })
    expect((await call('DELETE', `/v1/links/${body.id.toUpperCase()}`)).status).toBe(204)
    for (const id of [body.id, missing, from, 'x', '%00', '*']) {
      const answer = await call('DELETE', `/v1/links/${id}`)
      expect([answer.status, answer.body.code]).toEqual([404, 'not_found'])
    }
    const again = await link({ from, to })
    expect([again.status, again.body.id === body.id]).toEqual([201, false])
  })

  test('each change leaves one event, one audit row with ids only, and a wake-up', async () => {
    const [from, to] = await memories(2)
    await product().settle()
    const { body } = await link({ from, to, type: 'secret type', metadata: { secret: 1 } })
    await link({ from, to, type: 'secret type', weight: 2 })
    await call('DELETE', `/v1/links/${body.id}`)
    const of = (table: string, id: string) => adminSql(product(), `select * from ${table} where tenant_id = $1::integer and ${id} = $2::text order by seq`, [ada.tenantId, body.id])
    expect((await of('outbox', 'id::text')).map(({ type, version, memory_key }) => [type, version, memory_key])).toEqual([
      ['linked', 1, null],
      ['linked', 2, null],
      ['unlinked', 3, null],
    ])
    const audit = await of('audit_log', 'target')
    expect(audit.map(({ action }) => action)).toEqual(['link.create', 'link.update', 'link.delete'])
    expect(audit.map(({ detail }) => detail)).toEqual([1, 2, 3].map(() => ({ from, to })))
    await product().settle()
    expect((await of('outbox', 'id::text')).map(({ status }) => status)).toEqual(['sent', 'sent', 'sent'])
  })

  test('a repeated call answers the same link and status and changes nothing more', async () => {
    const [from, to] = await memories(2)
    const made = { from, to, weight: 2, metadata: { a: 1 } }
    const first = await link(made, key('made'))
    await link({ from, to, weight: 5 }, key('weighed'))
    const before = await rowCounts(product(), ada, traces)
    const again = await link(made, key('made'))
    expect([first.status, replayed(first), again.status, replayed(again)]).toEqual([201, null, 201, 'true'])
    expect(again.body).toEqual(first.body)
    const weighed = await link({ from, to, weight: 5 }, key('weighed'))
    expect([weighed.status, replayed(weighed), weighed.body.weight]).toEqual([200, 'true', 5])
    const other = await link({ ...made, weight: 3 }, key('made'))
    expect([other.status, other.body.code]).toEqual([409, 'idempotency_conflict'])
    expect(await rowCounts(product(), ada, traces)).toEqual(before)
    const kept = await adminSql(product(), `select status, result from idempotency where tenant_id = $1::integer and key = 'made'`, [ada.tenantId])
    expect(kept).toEqual([{ status: 201, result: { id: first.body.id, version: 1 } }])
    const remove = () => call('DELETE', `/v1/links/${first.body.id}`, undefined, key('removed'))
    const [removed, repeated] = [await remove(), await remove()]
    expect([removed.status, replayed(removed), repeated.status, replayed(repeated)]).toEqual([204, null, 204, 'true'])
    const gone = await link(made, key('made'))
    expect([gone.status, replayed(gone), gone.body]).toEqual([201, 'true', { id: first.body.id }])
    expect((await call('DELETE', `/v1/links/${first.body.id}`)).status).toBe(404)
  })

  test('a refused link leaves its key free', async () => {
    const [from, to] = await memories(2)
    expect((await link({ from, to: missing }, key('free'))).status).toBe(422)
    expect((await link({ from, to }, key('free'))).status).toBe(201)
  })

  test('of twenty links of the same ends at one moment one is new, and each change has a version of its own', async () => {
    const [from, to] = await memories(2)
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => link({ from, to, type: 'busy', weight: i + 1 })))
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array.from({ length: 19 }, () => 200), 201])
    const ids = new Set(idsOf(answers.map(({ body }) => body)))
    expect(ids.size).toBe(1)
    const events = await adminSql<{ version: number }>(product(), 'select version from outbox where tenant_id = $1::integer and id = $2::uuid order by version', [
      ada.tenantId,
      [...ids][0],
    ])
    expect(events.map(({ version }) => version)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
  })

  test('forgetting and linking at one moment: a link is removed with its memory, or was refused', async () => {
    for (let round = 0; round < 15; round++) {
      const [hub, ...others] = await memories(9)
      const linking = others.map((other, i) => (i % 2 ? link({ from: other, to: hub }) : link({ from: hub, to: other })))
      const [forgotten, ...answers] = await Promise.all([call('DELETE', `/v1/memories/${hub}`), ...linking])
      expect(forgotten?.status).toBe(204)
      const made = answers.filter(({ status }) => status === 201).map(({ body }) => body.id)
      for (const { status } of answers) expect([201, 422]).toContain(status)
      const left = await adminSql(product(), 'select from links where tenant_id = $1::integer and id = any ($2::uuid[])', [ada.tenantId, made])
      expect(left).toHaveLength(0)
      const unlinked = await adminSql<{ id: string }>(product(), `select id from outbox where tenant_id = $1::integer and type = 'unlinked' and id = any ($2::uuid[])`, [
        ada.tenantId,
        made,
      ])
      expect(idsOf(unlinked).sort()).toEqual(made.sort())
    }
  })

  test('removing a link and forgetting its end at one moment says unlinked once', async () => {
    for (let round = 0; round < 15; round++) {
      const [from, to] = await memories(2)
      const { body } = await link({ from, to })
      const [removed, forgotten] = await Promise.all([call('DELETE', `/v1/links/${body.id}`), call('DELETE', `/v1/memories/${round % 2 ? from : to}`)])
      expect([204, 404]).toContain(removed.status)
      expect(forgotten.status).toBe(204)
      const events = await adminSql(product(), `select type, version from outbox where tenant_id = $1::integer and id = $2::uuid order by seq`, [ada.tenantId, body.id])
      expect(events).toEqual([
        { type: 'linked', version: 1 },
        { type: 'unlinked', version: 2 },
      ])
    }
  })

  test('linking takes the scope memory:write, walking memory:read', async () => {
    const [from, to] = await memories(2)
    const { body } = await link({ from, to })
    const [reader, writer] = [await product().tenant(['memory:read']), await product().tenant(['memory:write'])]
    const status = async (caller: Caller, method: string, path: string, sent?: unknown) => (await product().call(caller, method, path, sent)).status
    expect([await status(reader, 'POST', '/v1/links', { from, to }), await status(reader, 'DELETE', `/v1/links/${body.id}`)]).toEqual([403, 403])
    expect([await status(writer, 'GET', `/v1/memories/${from}/neighbors`), await status(writer, 'GET', `/v1/paths?from=${from}&to=${to}`)]).toEqual([403, 403])
  })
})
