import { beforeAll, expect, test } from 'vitest'
import { type Caller, describeEngines } from '../support/engines.ts'
import { adminSql, loseWakeUps } from './admin.ts'

const query = { query: 'red apple', user_id: 'u', top_k: 3, weights: { importance: 0.2 } }

describeEngines('replay', (product) => {
  beforeAll(() => loseWakeUps(product()))
  const ask = (caller: Caller, body: object) => product().call(caller, 'POST', '/v1/recall', body)

  async function answered(caller: Caller) {
    const items = ['a red apple', 'an apple', 'red paint', 'pears'].map((text) => ({ text, user_id: 'u', importance: 3 }))
    const stored = await product().call(caller, 'POST', '/v1/memories/bulk', { items })
    await product().settle()
    return { ids: stored.body.results.map(({ id }: { id: string }) => id) as string[], first: (await ask(caller, query)).body }
  }
  // the state of the index is of now
  const without = (results: Record<string, unknown>[]) => results.map(({ index_state, ...rest }) => rest)

  test('an answer is repeated to the letter, whatever was written, changed and forgotten since', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const { ids, first } = await answered(ada)
    expect(first.results).toHaveLength(3)
    await call(ada, 'PATCH', `/v1/memories/${ids[0]}`, { text: 'a blue plum' })
    await call(ada, 'DELETE', `/v1/memories/${ids[1]}`)
    await call(ada, 'POST', '/v1/memories', { text: 'red apple red apple', user_id: 'u' })
    const again = (await ask(ada, { ...query, replay: first.replay })).body
    expect(without(again.results)).toEqual(without(first.results))
    expect([again.total_candidates, again.replay, again.degraded]).toEqual([first.total_candidates, first.replay, false])
    expect((await ask(ada, { ...query, replay: first.replay, consistency: 'eventual' })).status).toBe(200)
  })

  test('an empty answer is repeated too', async () => {
    const { tenant } = product()
    const ada = await tenant()
    const first = (await ask(ada, { query: 'nothing' })).body
    expect((await ask(ada, { query: 'nothing', replay: first.replay })).body.results).toEqual([])
  })

  test('another query, another tenant, and a token that was edited are refused', async () => {
    const { tenant } = product()
    const [ada, eve] = [await tenant(), await tenant()]
    const { replay } = (await answered(ada)).first
    const refused = async (caller: Caller, body: object) => {
      const { status, body: problem } = await ask(caller, body)
      return [status, problem.errors?.[0].pointer]
    }
    for (const other of [{ query: 'red apples' }, { top_k: 4 }, { user_id: 'v' }, { weights: { importance: 0.3 } }, { valid_at: '2026-01-01T00:00:00Z' }]) {
      expect(await refused(ada, { ...query, ...other, replay })).toEqual([422, '/replay'])
    }
    expect(await refused(eve, { ...query, replay })).toEqual([422, '/replay'])
    const at = Math.floor(replay.length / 3)
    for (const edited of [`${replay.slice(0, at)}${replay[at] === 'A' ? 'B' : 'A'}${replay.slice(at + 1)}`, replay.slice(1), `${replay}.x`, 'x', 'x.y', replay.split('.')[0]]) {
      expect(await refused(ada, { ...query, replay: edited })).toEqual([422, '/replay'])
    }
    expect((await ask(ada, { ...query, replay: 'x'.repeat(8_193) })).status).toBe(422)
  })

  test('when a version was erased, or the database was restored since, the answer is gone', async () => {
    const { tenant } = product()
    const ada = await tenant()
    const { ids, first } = await answered(ada)
    await adminSql(product(), 'delete from memories where tenant_id = $1::integer and id = $2::uuid', [ada.tenantId, first.results[0].id])
    expect(ids).toContain(first.results[0].id)
    const gone = await ask(ada, { ...query, replay: first.replay })
    expect([gone.status, gone.body.code]).toEqual([410, 'gone'])
  })

  test('what is not present any more is shown only with memory:history', async () => {
    const { call, tenant } = product()
    const reader = await tenant(['memory:read', 'memory:write', 'memory:delete'])
    const { ids, first } = await answered(reader)
    expect((await ask(reader, { ...query, replay: first.replay })).status).toBe(200)
    await call(reader, 'DELETE', `/v1/memories/${ids[0]}`)
    expect((await ask(reader, { ...query, replay: first.replay })).status).toBe(403)
  })
})
