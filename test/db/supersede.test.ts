import { expect, test } from 'vitest'
import { describeEngines } from '../support/engines.ts'
import { idsOf } from './admin.ts'

describeEngines('superseding', (product) => {
  test('the newer memory closes the older one’s validity, and each names the other', async () => {
    const { call, tenant, settle } = product()
    const ada = await tenant()
    const older = await call(ada, 'POST', '/v1/memories', { text: 'Ada lives in Lisbon' })
    await settle()
    const newer = await call(ada, 'POST', '/v1/memories', { text: 'Ada lives in Porto', supersedes: older.body.id })
    expect(newer.body).toMatchObject({ version: 1, supersedes: older.body.id, superseded_by: null })
    const { body } = await call(ada, 'GET', `/v1/memories/${older.body.id}`)
    expect(body).toMatchObject({ version: 2, superseded_by: newer.body.id, valid_to: newer.body.created_at, text: 'Ada lives in Lisbon', created_at: older.body.created_at })
    const history = await call(ada, 'GET', `/v1/memories/${older.body.id}/history`)
    expect(history.body.items.map((one: { version: number; state: string; superseded_by: string | null }) => [one.version, one.state, one.superseded_by])).toEqual([
      [1, 'closed', null],
      [2, 'open', newer.body.id],
    ])
  })

  test('a superseded memory leaves list and every mode of recall, indexed or not, and is back for the time it was valid', async () => {
    const { call, tenant, settle } = product()
    const ada = await tenant()
    const older = await call(ada, 'POST', '/v1/memories', { text: 'Ada lives in Lisbon', valid_from: '2020-01-01T00:00:00Z' })
    const newer = await call(ada, 'POST', '/v1/memories', { text: 'Ada lives in Porto', valid_from: '2024-01-01T00:00:00Z', supersedes: older.body.id })
    for (const round of ['pending', 'indexed']) {
      for (const mode of ['lexical', 'vector', 'hybrid']) {
        const now = await call(ada, 'POST', '/v1/recall', { query: 'where Ada lives', mode })
        expect([round, mode, idsOf(now.body.results)]).toEqual([round, mode, [newer.body.id]])
        const then = await call(ada, 'POST', '/v1/recall', { query: 'where Ada lives', mode, valid_at: '2023-12-31T23:59:59Z' })
        expect([round, mode, idsOf(then.body.results)]).toEqual([round, mode, [older.body.id]])
      }
      expect(idsOf((await call(ada, 'POST', '/v1/memories/list', {})).body.items)).toEqual([newer.body.id])
      await settle()
    }
  })

  test('a validity that ended earlier stays as it was', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const older = await call(ada, 'POST', '/v1/memories', { text: 'older', valid_to: '2021-01-01T00:00:00Z' })
    await call(ada, 'POST', '/v1/memories', { text: 'newer', supersedes: older.body.id, valid_from: '2022-01-01T00:00:00Z' })
    expect((await call(ada, 'GET', `/v1/memories/${older.body.id}`)).body.valid_to).toBe('2021-01-01T00:00:00.000Z')
  })

  test('a memory is superseded by one other at most', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const older = await call(ada, 'POST', '/v1/memories', { text: 'older' })
    const newer = await call(ada, 'POST', '/v1/memories', { text: 'newer', supersedes: older.body.id })
    const third = await call(ada, 'POST', '/v1/memories', { text: 'third', supersedes: older.body.id })
    expect([third.status, third.body.code, third.body.errors[0].pointer]).toEqual([409, 'conflict', '/supersedes'])
    expect((await call(ada, 'GET', `/v1/memories/${older.body.id}`)).body.superseded_by).toBe(newer.body.id)
    expect(idsOf((await call(ada, 'POST', '/v1/memories/list', {})).body.items)).toEqual([newer.body.id])
  })

  test('what another tenant has, what was forgotten, and the memory itself cannot be superseded', async () => {
    const { call, tenant } = product()
    const [ada, bob] = [await tenant(), await tenant()]
    const others = await call(bob, 'POST', '/v1/memories', { text: 'bob’s' })
    const forgotten = await call(ada, 'POST', '/v1/memories', { text: 'forgotten' })
    await call(ada, 'DELETE', `/v1/memories/${forgotten.body.id}`)
    const itself = await call(ada, 'POST', '/v1/memories', { coord: '1', text: 'itself' })
    for (const id of [others.body.id, forgotten.body.id, itself.body.id]) {
      const { status, body } = await call(ada, 'POST', '/v1/memories', { coord: '1', text: 'newer', supersedes: id })
      expect([status, body.errors?.[0].pointer]).toEqual([422, '/supersedes'])
    }
    expect((await call(bob, 'GET', `/v1/memories/${others.body.id}`)).body).toMatchObject({ version: 1, superseded_by: null })
    expect((await call(ada, 'GET', `/v1/memories/${itself.body.id}`)).body).toMatchObject({ version: 1, text: 'itself' })
  })

  test('a chain in one bulk supersedes step by step', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const a = await call(ada, 'POST', '/v1/memories', { text: 'first address' })
    const b = await call(ada, 'POST', '/v1/memories', { text: 'second address', supersedes: a.body.id })
    const c = await call(ada, 'POST', '/v1/memories/bulk', { items: [{ text: 'third address', supersedes: b.body.id }] })
    expect(idsOf((await call(ada, 'POST', '/v1/recall', { query: 'address' })).body.results)).toEqual(idsOf(c.body.results))
  })
})
