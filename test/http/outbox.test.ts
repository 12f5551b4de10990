import { beforeAll, expect, test } from 'vitest'
import { capture, loseWakeUps, queueRows } from '../db/admin.ts'
import { type Answer, describeEngines } from '../support/engines.ts'
import { expectProblem } from './checks.ts'
import { outboxOf, type Row } from './outbox-rows.ts'

describeEngines('the operators’ surface of the outbox', (product) => {
  const { audits, call, list, purge, replay, set, withDead } = outboxOf(product)
  beforeAll(() => loseWakeUps(product()))

  test('rows are listed by status, topic, type and age, the oldest first, page by page, and show nothing of what was stored', async () => {
    const ada = await product().tenant()
    await call(ada, 'POST', '/v1/memories/bulk', { items: Array.from({ length: 5 }, (_, i) => ({ text: `a secret ${i}`, metadata: { also: 'secret' } })) })
    await queueRows(product(), ada, 2)
    await set(ada, `created_at = now() - interval '2 hours', topic = 'other.topic'`, 'seq = (select min(seq) from outbox where tenant_id = $1::integer)')
    await set(ada, `status = 'dead', last_error = 'no', attempts = 10`, `type = 'linked'`)
    const all = await list(ada)
    expect(all.map(({ id }) => Number(id))).toEqual(all.map(({ id }) => Number(id)).sort((a, b) => a - b))
    expect(all).toHaveLength(7)
    expect(all[0]).toMatchObject({ tenant: ada.tenant, topic: 'other.topic', status: 'pending', attempts: 0, version: 1, link_id: null, sent_at: null, last_error: null })
    expect(all[6]).toMatchObject({ status: 'dead', attempts: 10, last_error: 'no', memory_id: null, next_attempt_at: null })
    expect(JSON.stringify(all)).not.toContain('secret')
    const hourAgo = new Date(Date.now() - 3_600_000).toISOString()
    for (const [search, rows] of [
      ['status=dead', 2],
      ['status=pending', 5],
      ['status=leased', 0],
      ['status=sent', 0],
      ['topic=other.topic', 1],
      ['type=linked', 2],
      [`older_than=${hourAgo}`, 1],
      [`tenant=${ada.tenant}&status=pending&type=created&topic=memory.events`, 4],
    ] as const)
      expect(await list(ada, search), search).toHaveLength(rows)
    const paged: Row[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { body }: Answer = await call(ada, 'GET', `/v1/outbox?limit=3${cursor && `&cursor=${cursor}`}`)
      paged.push(...body.items)
      cursor = body.next_cursor
    }
    expect(paged.map(({ id }) => id)).toEqual(all.map(({ id }) => id))
  })

  test('the summary counts by state, tells ages and why rows are dead', async () => {
    const ada = await withDead(3)
    await set(ada, `last_error = 'too large'`, 'seq = (select min(seq) from outbox where tenant_id = $1::integer)')
    await call(ada, 'POST', '/v1/memories', { text: 'waits' })
    await set(ada, `created_at = now() - interval '90 seconds'`, `status = 'pending'`)
    const { body } = await call(ada, 'GET', '/v1/outbox/summary')
    expect(body).toMatchObject({ items: [{ tenant: ada.tenant, pending: 1, leased: 0, sent: 0, dead: 3 }], next_cursor: null })
    expect(body.items[0].dead_because).toEqual([
      { last_error: 'the broker is away', rows: 2 },
      { last_error: 'too large', rows: 1 },
    ])
    expect(body.items[0].oldest_unsent_seconds).toBeGreaterThanOrEqual(90)
    const empty = await call(await product().tenant(), 'GET', '/v1/outbox/summary')
    expect(empty.body.items).toMatchObject([{ pending: 0, dead: 0, oldest_unsent_seconds: null, oldest_dead_seconds: null, dead_because: [] }])
  })

  test('dead rows are replayed by id: pending, due and as new; others are skipped; the audit log says who and which', async () => {
    const ada = await withDead(3)
    const [one, two, three] = (await list(ada)) as [Row, Row, Row]
    await set(ada, `status = 'sent', sent_at = now()`, `seq = ${three.id}`)
    const dry = await replay(ada, { ids: [one.id, two.id, three.id], dry_run: true })
    expect(dry.body).toMatchObject({ matched: 2, more: false })
    expect((await replay(ada, { ids: [one.id, one.id, two.id, three.id, '999999999999999999'] })).body).toEqual({ replayed: 2, skipped: 2 })
    expect(await list(ada, 'status=pending')).toMatchObject([
      { id: one.id, attempts: 0 },
      { id: two.id, attempts: 0 },
    ])
    const [audit] = await audits(ada)
    expect(audit).toMatchObject({ action: 'outbox.replay', target: null, detail: { status: 'dead', rows: 2, event_ids: [one.event_id, two.event_id] } })
    expect(audit?.actor).toMatch(/^key:/)
    const outbox = capture(product())
    await outbox.drain()
    expect(outbox.of(ada).map((record) => record.headers['event-id'])).toEqual([one.event_id, two.event_id])
    expect((await replay(ada, { ids: [one.id], confirm: dry.body.confirm })).body.code).toBe('invalid')
  })

  test('a filter is replayed with the confirm of its dry run only, and not when the match has changed since', async () => {
    const ada = await withDead(4)
    await set(ada, `type = 'unlinked'`, 'seq = (select min(seq) from outbox where tenant_id = $1::integer)')
    const dry = await replay(ada, { type: 'linked' })
    expect(dry.body).toMatchObject({ matched: 3, more: false })
    const { confirm } = dry.body
    for (const other of [{}, { type: 'unlinked' }, { type: 'linked', status: 'sent' }, { type: 'linked', older_than: '2030-01-01' }, { ids: ['1'] }])
      expectProblem(await replay(ada, { ...other, confirm }), 'invalid', '/confirm')
    expectProblem(await purge(ada, { type: 'linked', reason: 'x', confirm }), 'invalid', '/confirm')
    expectProblem(await replay(await withDead(1), { type: 'linked', confirm }), 'invalid', '/confirm')
    await set(ada, `type = 'linked'`)
    expectProblem(await replay(ada, { type: 'linked', confirm }), 'conflict')
    expect(await list(ada, 'status=dead')).toHaveLength(4)
    const again = (await replay(ada, { type: 'linked', dry_run: true })).body
    expect((await replay(ada, { type: 'linked', dry_run: false, confirm: again.confirm })).body).toEqual({ replayed: 4, skipped: 0 })
    expectProblem(await replay(ada, { type: 'linked', confirm: again.confirm }), 'conflict')
  })

  test('a purge takes a reason, removes dead rows only, and leaves the reason and the events in the audit log', async () => {
    const ada = await withDead(3)
    const rows = await list(ada)
    const [one, two, three] = rows as [Row, Row, Row]
    await set(ada, `status = 'pending'`, `seq = ${two.id}`)
    for (const reason of [undefined, '', '  ', 'x'.repeat(501), 7]) expectProblem(await purge(ada, { ids: [one.id], reason }), 'invalid', '/reason')
    expectProblem(await purge(ada, { ids: [one.id], reason: 'x', status: 'sent' }), 'invalid')
    expect(await list(ada)).toHaveLength(3)
    expect((await purge(ada, { ids: [one.id, two.id], reason: 'x'.repeat(500) })).body).toEqual({ purged: 1, skipped: 1 })
    const { confirm } = (await purge(ada, { reason: 'a test', dry_run: true })).body
    expect((await purge(ada, { reason: 'a test', confirm })).body).toEqual({ purged: 1, skipped: 0 })
    expect((await list(ada)).map(({ id }) => id)).toEqual([two.id])
    expect(await audits(ada)).toMatchObject([
      { action: 'outbox.purge', target: one.event_id, detail: { reason: 'x'.repeat(500), rows: 1, event_ids: [one.event_id] } },
      { action: 'outbox.purge', target: three.event_id, detail: { reason: 'a test', filter: {}, rows: 1, event_ids: [three.event_id] } },
    ])
  })

  test('both sides of every bound', async () => {
    const ada = await withDead(1)
    const ids = (length: number) => Array.from({ length }, (_, i) => String(i + 1))
    expect((await replay(ada, { ids: ids(500), dry_run: true })).status).toBe(200)
    for (const bad of [[], ids(501), [1], ['0'], ['01'], ['-1'], ['x'], ['1'.repeat(19)]]) expect((await replay(ada, { ids: bad, dry_run: true })).status, String(bad[0])).toBe(422)
    expect((await replay(ada, { ids: ['9'.repeat(18)], dry_run: true })).status).toBe(200)
    expectProblem(await replay(ada, { ids: ['1'], type: 'linked' }), 'invalid', '/type')
    expectProblem(await replay(ada, { dry_run: true, confirm: 'x' }), 'invalid', '/dry_run')
    expectProblem(await replay(ada, { dry_run: false }), 'invalid', '/confirm')
    expectProblem(await replay(ada, { status: 'pending' }), 'invalid', '/status')
    expectProblem(await replay(ada, { reason: 'x' }), 'invalid')
    for (const [search, pointer] of [
      ['limit=0', '/limit'],
      ['limit=501', '/limit'],
      ['limit=1e1', '/limit'],
      ['status=gone', '/status'],
      ['type=x', '/type'],
      ['topic=', '/topic'],
      ['topic=a%20b', '/topic'],
      ['older_than=yesterday', '/older_than'],
      ['cursor=x', '/cursor'],
      ['tenant=UPPER', '/tenant'],
      ['color=red', '/color'],
      ['status=dead&status=sent', '/status'],
    ])
      expectProblem(await call(ada, 'GET', `/v1/outbox?${search}`), 'invalid', pointer)
    for (const search of ['limit=1', 'limit=500', `topic=${'t'.repeat(249)}`]) expect((await call(ada, 'GET', `/v1/outbox?${search}`)).status).toBe(200)
    expectProblem(await call(ada, 'GET', `/v1/outbox?topic=${'t'.repeat(250)}`), 'invalid', '/topic')
    expectProblem(await call(ada, 'GET', '/v1/outbox/summary?cursor=default'), 'invalid', '/cursor')
    const { body } = await call(ada, 'GET', '/v1/outbox?limit=1')
    expect(body.next_cursor).toBeNull()
  })
})
