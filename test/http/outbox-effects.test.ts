import { beforeAll, expect, test } from 'vitest'
import { adminSql, capture, killedDrain, loseWakeUps, passTime, rowCounts } from '../db/admin.ts'
import { describeEngines } from '../support/engines.ts'
import { outboxOf, type Row } from './outbox-rows.ts'

describeEngines('replay and purge beside everything else', (product) => {
  const { audits, call, list, purge, replay, set, withDead } = outboxOf(product)
  beforeAll(() => loseWakeUps(product()))

  test('a row that is leased at the moment is left to its drain', async () => {
    const ada = await product().tenant()
    await call(ada, 'POST', '/v1/memories', { text: 'on its way' })
    await killedDrain(product(), ada)
    const [row] = (await list(ada, 'status=leased')) as [Row]
    expect((await replay(ada, { ids: [row.id] })).body).toEqual({ replayed: 0, skipped: 1 })
    expect((await purge(ada, { ids: [row.id], reason: 'x' })).body).toEqual({ purged: 0, skipped: 1 })
    expect(await audits(ada)).toEqual([])
    await passTime(product(), ada)
    const outbox = capture(product())
    await outbox.drain()
    expect(outbox.of(ada)).toHaveLength(1)
  })

  test('of two replays of the same rows at once one finds nothing left', async () => {
    const ada = await withDead(50)
    const ids = (await list(ada)).map(({ id }) => id)
    const answers = await Promise.all([replay(ada, { ids }), replay(ada, { ids: ids.toReversed() }), purge(ada, { ids, reason: 'at once' })])
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    const changed = answers.map(({ body }) => body.replayed ?? body.purged).toSorted((a, b) => b - a)
    expect(changed).toEqual([50, 0, 0])
    expect(await audits(ada)).toHaveLength(1)
  })

  test('sent rows replayed again change no projection, vector or usage', async () => {
    const { local, settle } = product()
    const ada = await product().tenant()
    const { body: one } = await call(ada, 'POST', '/v1/memories', { text: 'first', coord: '1' })
    await call(ada, 'PATCH', `/v1/memories/${one.id}`, { text: 'second' })
    const { body: gone } = await call(ada, 'POST', '/v1/memories', { text: 'forgotten' })
    await settle()
    await call(ada, 'DELETE', `/v1/memories/${gone.id}`)
    await settle()
    const effects = async () => ({
      rows: await rowCounts(product(), ada, ['memories', 'memory_versions', 'memory_events', 'vectors', 'vector_pending', 'closed_vectors']),
      usage: (await call(ada, 'GET', '/v1/usage')).body.totals,
      stats: (await call(ada, 'GET', '/stats')).body,
    })
    const before = await effects()
    expect(before.rows).toMatchObject({ memory_events: 4, vectors: 1 })
    const { confirm, matched } = (await replay(ada, { status: 'sent' })).body
    expect(matched).toBe(4)
    expect((await replay(ada, { status: 'sent', confirm })).body).toEqual({ replayed: 4, skipped: 0 })
    await local.runJob('drain-outbox')
    await settle()
    expect((await list(ada)).map(({ status }) => status)).toEqual(['sent', 'sent', 'sent', 'sent'])
    expect(await effects()).toEqual(before)
  })

  test('a dead event of a memory that was forgotten meanwhile is projected; one whose version is gone is dead again and says so', async () => {
    const { settle } = product()
    const ada = await product().tenant()
    const stored = (await call(ada, 'POST', '/v1/memories/bulk', { items: [{ text: 'forgotten' }, { text: 'erased' }] })).body.results
    await set(ada, `status = 'dead', attempts = 10`)
    await call(ada, 'DELETE', `/v1/memories/${stored[0].id}`)
    for (const table of ['memory_versions', 'memories'])
      await adminSql(product(), `delete from ${table} where tenant_id = $1::integer and id = $2::uuid`, [ada.tenantId, stored[1].id])
    const ids = (await list(ada, 'status=dead')).map(({ id }) => id)
    expect((await replay(ada, { ids })).body).toEqual({ replayed: 2, skipped: 0 })
    await settle()
    expect(await list(ada)).toMatchObject([
      { memory_id: stored[0].id, status: 'sent' },
      { memory_id: stored[1].id, status: 'dead', attempts: 1, last_error: 'the version it names is gone' },
      { memory_id: stored[0].id, status: 'sent', type: 'deleted' },
    ])
    expect(await rowCounts(product(), ada, ['memory_events', 'vectors'])).toEqual({ memory_events: 2, vectors: 0 })
  })
})
