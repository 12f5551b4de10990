import { expect, test } from 'vitest'
import { type Caller, describeEngines } from '../support/engines.ts'
import { kib } from './bad-input.ts'
import { expectNothingWritten, expectProblem, nested } from './checks.ts'

const json = (text: string) => JSON.parse(text) as Record<string, unknown>
/** What a bound takes, what lies just beyond it, and the field that the problem names. */
const bounds: [Record<string, unknown>, Record<string, unknown>, string][] = [
  [{ weight: 5e-324 }, { weight: 0 }, '/weight'],
  [{ weight: 0.5 }, { weight: -0.5 }, '/weight'],
  [{ weight: 1_000_000 }, { weight: 1_000_000.01 }, '/weight'],
  [{ type: 'x' }, { type: '' }, '/type'],
  [{ type: '字'.repeat(128) }, { type: 'x'.repeat(129) }, '/type'],
  [{ metadata: {} }, { metadata: [] }, '/metadata'],
  [{ metadata: nested(6) }, { metadata: nested(7) }, '/metadata'],
  [{ metadata: { p: 'x'.repeat(16 * kib - 8) } }, { metadata: { p: 'x'.repeat(16 * kib - 7) } }, '/metadata'],
]
const wrong: [Record<string, unknown>, string][] = [
  [{ from: undefined }, '/from'],
  [{ to: undefined }, '/to'],
  [{ from: 'x' }, '/from'],
  [{ to: ['x'] }, '/to'],
  [{ to: '*' }, '/to'],
  [{ type: 1 }, '/type'],
  [{ type: null }, '/type'],
  [{ weight: '1' }, '/weight'],
  [{ weight: null }, '/weight'],
  [{ metadata: null }, '/metadata'],
  [{ metadata: 'x' }, '/metadata'],
  [{ id: 'x' }, '/id'],
  [{ tenant_id: 1 }, '/tenant_id'],
  [json('{"__proto__":{"weight":2}}'), '/__proto__'],
]
const badNeighbors: [string, string][] = [
  ['hops=0', '/hops'],
  ['hops=4', '/hops'],
  ['hops=1.5', '/hops'],
  ['hops=', '/hops'],
  ['hops=-1', '/hops'],
  ['hops=1e0', '/hops'],
  ['limit=0', '/limit'],
  ['limit=501', '/limit'],
  ['limit=ten', '/limit'],
  ['limit=9999999999', '/limit'],
  ['direction=up', '/direction'],
  ['direction=toString', '/direction'],
  ['type=', '/type'],
  [`type=${'x'.repeat(129)}`, '/type'],
  ['max_hops=2', '/max_hops'],
]
const badPaths: [string, string][] = [
  ['max_hops=0', '/max_hops'],
  ['max_hops=7', '/max_hops'],
  ['max_hops=two', '/max_hops'],
  ['max_hops=2.0', '/max_hops'],
  ['type=', '/type'],
  [`type=${'x'.repeat(129)}`, '/type'],
  ['hops=2', '/hops'],
  ['limit=2', '/limit'],
]

describeEngines('links and walks that do not fit the contract', (product) => {
  async function pair(): Promise<{ ada: Caller; from: string; to: string }> {
    const ada = await product().tenant()
    const { body } = await product().call(ada, 'POST', '/v1/memories/bulk', { items: [{ text: 'one' }, { text: 'two' }] })
    return { ada, from: body.results[0].id, to: body.results[1].id }
  }

  test('each bound of a link is taken on its near side and refused beyond it, and nothing is written', async () => {
    const { ada, from, to } = await pair()
    const link = (more: Record<string, unknown>) => product().call(ada, 'POST', '/v1/links', { from, to, ...more })
    for (const [good] of bounds) {
      const answer = await link(good)
      expect([200, 201], answer.text).toContain(answer.status)
      expect(answer.body).toMatchObject(good)
    }
    await expectNothingWritten(product(), async () => {
      for (const [, bad, pointer] of bounds) expectProblem(await link(bad), 'invalid', pointer)
      for (const [bad, pointer] of wrong) expectProblem(await link(bad), 'invalid', pointer)
    })
  })

  test('each bound of a walk is taken on its near side and refused beyond it', async () => {
    const { ada, from, to } = await pair()
    const neighbors = (search: string) => product().call(ada, 'GET', `/v1/memories/${from}/neighbors?${search}`)
    const path = (search: string) => product().call(ada, 'GET', `/v1/paths?${search}`)
    for (const search of ['hops=1', 'hops=3', 'limit=1', 'limit=500', 'direction=both', `type=${'x'.repeat(128)}`, 'type=%25'])
      expect((await neighbors(search)).status, search).toBe(200)
    for (const search of ['max_hops=1', 'max_hops=6', `type=${'x'.repeat(128)}`]) expect((await path(`from=${from}&to=${to}&${search}`)).status, search).toBe(200)
    for (const [search, pointer] of badNeighbors) expectProblem(await neighbors(search), 'invalid', pointer)
    for (const [search, pointer] of badPaths) expectProblem(await path(`from=${from}&to=${to}&${search}`), 'invalid', pointer)
    expectProblem(await path(`from=${from}`), 'invalid', '/to')
    expectProblem(await path(`to=${to}`), 'invalid', '/from')
    for (const id of ['', 'x', '*', `${from}0`, '%00']) expectProblem(await path(`from=${id}&to=${to}`), 'invalid', '/from')
  })
})
