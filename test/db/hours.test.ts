import { beforeAll, expect, test } from 'vitest'
import { indexVectors } from '../../shared/vector/index.ts'
import { expectProblem } from '../http/checks.ts'
import { type Caller, describeEngines } from '../support/engines.ts'
import { adminSql, capture, consumers, loseWakeUps } from './admin.ts'

const hour = 3_600_000
const day = 24 * hour
const nothing = { stores: 0, recalls: 0, embedded_tokens: 0 }

describeEngines('usage by day and hour', (product) => {
  beforeAll(() => loseWakeUps(product()))
  const usage = (caller: Caller, query = '') => product().call(caller, 'GET', `/v1/usage${query}`)
  const bytesOf = async (caller: Caller) =>
    Number((await adminSql<{ n: string }>(product(), 'select coalesce(sum(bytes), 0) as n from memories where tenant_id = $1::integer', [caller.tenantId]))[0]?.n)
  /** Moves what was counted so far, and is not folded yet, to another time. */
  const moveTo = (caller: Caller, at: string) => adminSql(product(), 'update usage_deltas set at = $2::timestamptz where tenant_id = $1::integer', [caller.tenantId, at])

  test('levels are those at the end of each bucket and carried through buckets without anything; the rest is what happened within', async () => {
    const { call, tenant, local } = product()
    const ada = await tenant()
    const store = async (items: object[]) => (await call(ada, 'POST', '/v1/memories/bulk', { items })).body.results.map((one: { id: string }) => one.id)
    await store([{ text: 'long ago' }])
    const before = await bytesOf(ada)
    await moveTo(ada, '2025-12-01T10:00:00Z')
    await local.runJob('rollup-usage')
    const [first] = await store([{ text: 'one', namespace: 'n' }, { text: 'two and more', user_id: 'u' }, { text: 'three' }])
    const atFive = await bytesOf(ada)
    await moveTo(ada, '2026-01-05T23:59:59.999Z')
    await local.runJob('rollup-usage')
    await call(ada, 'DELETE', `/v1/memories/${first}`)
    const atSeven = await bytesOf(ada)
    // not folded
    await moveTo(ada, '2026-01-07T00:00:00Z')

    const query = '?from=2026-01-04T12:00:00Z&to=2026-01-08T00:00:00Z'
    const items = [
      { start: '2026-01-04T00:00:00.000Z', memories: 1, bytes: before, ...nothing },
      { start: '2026-01-05T00:00:00.000Z', memories: 4, bytes: atFive, ...nothing, stores: 3 },
      { start: '2026-01-06T00:00:00.000Z', memories: 4, bytes: atFive, ...nothing },
      { start: '2026-01-07T00:00:00.000Z', memories: 3, bytes: atSeven, ...nothing },
    ]
    const expected = { from: '2026-01-04T00:00:00.000Z', to: '2026-01-08T00:00:00.000Z', by: 'day', items, totals: { memories: 3, bytes: atSeven, ...nothing, stores: 3 } }
    expect((await usage(ada, query)).body).toEqual(expected)
    // a day that is over does not change with what comes later
    await store([{ text: 'today' }])
    expect((await usage(ada, query)).body).toEqual(expected)
    await local.runJob('rollup-usage')
    expect((await usage(ada, query)).body).toEqual(expected)

    const { body: hours } = await usage(ada, '?by=hour&from=2026-01-05T22:30:00Z&to=2026-01-07T00:00:00.001Z')
    expect(hours.items).toHaveLength(27)
    expect(hours.items.map((one: { memories: number }) => one.memories)).toEqual([1, ...Array(25).fill(4), 3])
    expect(hours.items[1]).toEqual({ start: '2026-01-05T23:00:00.000Z', memories: 4, bytes: atFive, ...nothing, stores: 3 })
  })

  test('without a range it is the last 30 days up to now; an empty tenant has empty buckets', async () => {
    const ada = await product().tenant()
    for (const [by, ms] of [
      ['day', day],
      ['hour', hour],
    ] as const) {
      const { body } = await usage(ada, `?by=${by}`)
      const [from, to] = [Date.parse(body.from), Date.parse(body.to)]
      expect([from % ms, to % ms, Math.abs(to - Date.now()) <= ms]).toEqual([0, 0, true])
      expect([(to - from) / ms, (to - from) / ms - 1]).toContain((30 * day) / ms)
      expect(body.items.map((one: { start: string }) => Date.parse(one.start))).toEqual(Array.from({ length: (to - from) / ms }, (_, i) => from + i * ms))
      expect(body.totals).toEqual({ memories: 0, bytes: 0, ...nothing })
    }
    expect((await usage(ada)).body.by).toBe('day')
  })

  test('a range is at most 366 days or 744 hours, begins before it ends and not in the future; its end is cut to now', async () => {
    const ada = await product().tenant()
    const length = async (query: string) => (await usage(ada, query)).body.items?.length
    expect(await length('?from=2024-01-01&to=2025-01-01')).toBe(366)
    expectProblem(await usage(ada, '?from=2024-01-01&to=2025-01-01T00:00:00.001Z'), 'invalid', '/from')
    expect(await length('?by=hour&from=2024-01-01&to=2024-02-01')).toBe(744)
    expectProblem(await usage(ada, '?by=hour&from=2024-01-01&to=2024-02-01T00:00:00.001Z'), 'invalid', '/from')
    expect(await length('?from=2024-01-01T23:59:59.999Z&to=2024-01-02T00:00:00.001Z')).toBe(2)
    expect(await length('?from=2024-01-01T01:00:00%2B02:00&to=2024-01-01T01:30:00%2B02:00')).toBe(1)
    expect(await length('?from=0001-01-01&to=0001-01-03')).toBe(2)
    for (const query of ['?from=2024-01-02&to=2024-01-02', '?from=2024-01-02&to=2024-01-01', '?from=9999-01-01', '?from=9999-01-01&to=9999-01-02'])
      expectProblem(await usage(ada, query), 'invalid', '/from')
    const { body } = await usage(ada, `?from=${new Date(Date.now() - day).toISOString()}&to=9999-12-31`)
    expect(Date.parse(body.to) - Date.now()).toBeLessThanOrEqual(day)
    for (const [query, pointer] of [
      ['?from=yesterday', '/from'],
      ['?to=', '/to'],
      ['?to=2026-02-30', '/to'],
      ['?by=week', '/by'],
      ['?by=', '/by'],
      ['?namespace=n', '/namespace'],
    ] as const)
      expectProblem(await usage(ada, query), 'invalid', pointer)
  })

  test('what is embedded counts once a version, four characters a token, however often its event comes', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const deps = consumers(product())
    const embedded = async () => (await usage(ada)).body.totals.embedded_tokens
    const { body } = await call(ada, 'POST', '/v1/memories/bulk', { items: [{ text: 'x'.repeat(8) }, { text: 'x'.repeat(9), namespace: 'n' }, { payload: { n: 1 } }] })
    const outbox = capture(product())
    await outbox.drain()
    expect(await embedded()).toBe(0)
    expect(await indexVectors(deps, outbox.of(ada))).toEqual([])
    expect(await embedded()).toBe(2 + 3)
    for (const batch of [outbox.of(ada), outbox.of(ada).toReversed()]) await indexVectors(deps, batch)
    expect(await embedded()).toBe(5)
    await call(ada, 'PATCH', `/v1/memories/${body.results[0].id}`, { text: 'y'.repeat(40) })
    await outbox.drain()
    // two that embed the same version at the same moment: both upsert, one counts
    await Promise.all([indexVectors(deps, outbox.of(ada)), indexVectors(deps, outbox.of(ada))])
    expect(await embedded()).toBe(15)
    await product().local.runJob('rollup-usage')
    expect(await embedded()).toBe(15)
  })

  test('a version that is replaced while it is embedded counts nothing', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const { body } = await call(ada, 'POST', '/v1/memories', { text: 'old words' })
    const outbox = capture(product())
    await outbox.drain()
    const deps = consumers(product())
    const meanwhile = {
      ...deps.embedder,
      async embed(texts: string[]) {
        await call(ada, 'PATCH', `/v1/memories/${body.id}`, { text: 'new words' })
        return deps.embedder.embed(texts)
      },
    }
    expect(await indexVectors({ ...deps, embedder: meanwhile }, outbox.of(ada))).toEqual([])
    expect((await usage(ada)).body.totals).toMatchObject({ stores: 2, embedded_tokens: 0 })
  })
})
