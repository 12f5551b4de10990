import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { adminSql, loseWakeUps } from '../db/admin.ts'
import { type Caller, describeEngines, type Product } from '../support/engines.ts'

const numRuns = process.env.SOMA_FULL === '1' ? 400 : 60

// few names, so that steps meet; among them such as a locale, a pattern or UTF-16 would put in another place than their bytes do
const name = fc.constantFrom('a', 'A', 'ä', 'a\u0308', '%', '_', 'Z', '😀', '～')
const scope = { namespace: fc.constantFrom('default', 'n', 'N%'), user_id: fc.option(name, { nil: undefined }), session_id: fc.option(name, { nil: undefined }) }
const item = fc.record({
  text: fc.constantFrom('tea', 'a longer text about tea', '茶'),
  coord: fc.option(fc.constantFrom('1', '2', '3'), { nil: undefined }),
  agent_id: fc.option(fc.constant('bot'), { nil: undefined }),
  memory_type: fc.constantFrom('episodic', 'semantic', 'procedural'),
  expires_at: fc.option(fc.constant('2020-01-01T00:00:00.000Z'), { freq: 4, nil: undefined }),
  ...scope,
})
const pick = fc.nat({ max: 1_000 })
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('store' as const), items: fc.array(item, { minLength: 1, maxLength: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('succeed' as const), pick, item: item.map(({ coord: _coord, ...rest }) => rest) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('patch' as const), pick, patch: fc.constantFrom({ text: 'coffee' }, { memory_type: 'semantic' }, { metadata: { a: 1 } }) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('forget' as const), pick }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'rollup' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'expire' as const }) },
)
type Item = {
  namespace: string
  user_id: string | undefined
  session_id: string | undefined
  agent_id?: string | undefined
  memory_type: string
  coord?: string | undefined
  expires_at?: string | undefined
}
type Step = typeof step extends fc.Arbitrary<infer One> ? One : never

/** The plain model: what is there, what has expired and is not swept yet, by id, and what each coord names. */
type Model = { expired: Map<string, Item>; memories: Map<string, Item>; coords: Map<string, string>; stores: number }

describeEngines('counting', (product) => {
  beforeAll(() => loseWakeUps(product()))

  async function perform(caller: Caller, model: Model, one: Step): Promise<void> {
    const { call, local } = product()
    const chosen = 'pick' in one ? [...model.memories.keys()][one.pick % Math.max(1, model.memories.size)] : undefined
    const keep = (stored: Item, id: string): void => {
      const place = `${stored.namespace} ${stored.coord}`
      const at = stored.coord === undefined ? id : (model.coords.get(place) ?? id)
      expect(at, 'a coord keeps its id').toBe(id)
      if (stored.coord !== undefined) model.coords.set(place, id)
      model.memories.delete(id)
      model.expired.delete(id)
      const places = stored.expires_at === undefined ? model.memories : model.expired
      places.set(id, stored)
      model.stores++
    }
    if (one.kind === 'rollup') {
      await local.runJob('rollup-usage')
    } else if (one.kind === 'expire') {
      const [row] = await local.db.worker.statement<{ n: number }>({ role: 'soma_worker', tenantId: caller.tenantId }, 'select expire_memories($1::integer, 500, $2::jsonb) as n', [
        caller.tenantId,
        '{"actor":"test","action":"memory.expire"}',
      ])
      expect(row?.n).toBe(model.expired.size)
      for (const { namespace, coord } of model.expired.values()) model.coords.delete(`${namespace} ${coord}`)
      model.expired.clear()
    } else if (one.kind === 'store') {
      const stored = await call(caller, 'POST', '/v1/memories/bulk', { items: one.items })
      expect([stored.status, stored.body.errors]).toEqual([200, undefined])
      for (const [i, result] of stored.body.results.entries()) keep(one.items[i] as Item, result.id)
    } else if (chosen === undefined) {
      return
    } else if (one.kind === 'succeed') {
      const stored = await call(caller, 'POST', '/v1/memories', { ...one.item, supersedes: chosen })
      // what was superseded once stays so
      if (stored.status === 201) keep(one.item, stored.body.id)
      else expect([stored.status, stored.body.errors?.[0].pointer]).toEqual([409, '/supersedes'])
    } else if (one.kind === 'patch') {
      const patched = await call(caller, 'PATCH', `/v1/memories/${chosen}`, one.patch)
      expect(patched.status, patched.text).toBe(200)
      model.memories.set(chosen, { ...(model.memories.get(chosen) as Item), memory_type: patched.body.memory_type })
      model.stores++
    } else {
      expect((await call(caller, 'DELETE', `/v1/memories/${chosen}`)).status).toBe(204)
      const gone = model.memories.get(chosen) as Item
      model.memories.delete(chosen)
      if (gone.coord !== undefined) model.coords.delete(`${gone.namespace} ${gone.coord}`)
    }
  }

  async function check(caller: Caller, model: Model, limit: number): Promise<void> {
    const all = [...model.memories.values()]
    const activity = await activityOf(product(), caller)
    const counted = <Fields extends object>(of: Item[], fields: (item: Item) => Fields) =>
      [...Map.groupBy(of, (one) => JSON.stringify(fields(one)))].map(([key, group]) => ({ ...(JSON.parse(key) as Fields), memories: group.length }))
    const listed = async (kind: string, query: Record<string, string | undefined>, expected: (Record<string, unknown> & { memories: number })[]) => {
      const pages = await everyPage(product(), caller, kind, { ...query, limit: String(limit) })
      expect(pages).toEqual(expected.map((one) => ({ ...one, last_activity: expect.any(String) })))
      for (const { memories: _memories, last_activity: last, ...fields } of pages) {
        const of = JSON.stringify(kind === 'namespaces' ? fields : { namespace: query.namespace, ...fields })
        expect(last, `${kind} ${of}`).toBe(activity.get(of))
      }
    }
    const ids = (one: Item) => ({ session_id: one.session_id, user_id: one.user_id ?? null, agent_id: one.agent_id ?? null, app_id: null, run_id: null })
    await listed(
      'namespaces',
      {},
      counted(all, ({ namespace }) => ({ namespace })).sort((a, b) => inBytes(a.namespace, b.namespace)),
    )
    for (const namespace of ['default', 'n']) {
      const within = all.filter((one) => one.namespace === namespace)
      const users = counted(
        within.filter((one) => one.user_id !== undefined),
        ({ user_id }) => ({ user_id }),
      )
      await listed(
        'users',
        { namespace },
        users.sort((a, b) => inBytes(a.user_id as string, b.user_id as string)),
      )
      for (const user of [undefined, '😀', '%']) {
        const sessions = counted(
          within.filter((one) => one.session_id !== undefined && (user === undefined || one.user_id === user)),
          ids,
        )
        const pages = await everyPage(product(), caller, 'sessions', { namespace, user_id: user, limit: String(limit) })
        // sessions of one session_id follow each other by their key, which is a hash
        const place = (one: object) => JSON.stringify({ ...one, last_activity: undefined })
        expect(pages.map((one) => one.session_id)).toEqual(sessions.map((one) => one.session_id as string).sort(inBytes))
        expect(pages.map(place).sort()).toEqual(sessions.map(place).sort())
        for (const { memories: _memories, last_activity: last, ...fields } of pages) expect(last).toBe(activity.get(JSON.stringify({ namespace, ...fields })))
      }
    }
    const { body: stats } = await product().call(caller, 'GET', '/stats')
    const ofType = (type: string) => all.filter((one) => one.memory_type === type).length
    expect(stats).toMatchObject({ total_memories: all.length, episodic: ofType('episodic'), semantic: ofType('semantic') })
    const [held] = await adminSql<{ bytes: string }>(
      product(),
      'select coalesce(sum(bytes), 0)::text as bytes from memories where tenant_id = $1::integer and (expires_at is null or expires_at > now())',
      [caller.tenantId],
    )
    for (const by of ['day', 'hour']) {
      const { body: usage } = await product().call(caller, 'GET', `/v1/usage?by=${by}`)
      expect(usage.totals).toEqual({ memories: all.length, bytes: Number(held?.bytes), stores: model.stores, recalls: 0, embedded_tokens: 0 })
      expect(usage.items.at(0)).toMatchObject({ memories: 0, bytes: 0, stores: 0 })
    }
  }

  test('of namespaces, users, sessions and usage is what a plain model counts, after any changes, folded or not', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 4 }), async (steps, limit) => {
        const caller = await product().tenant()
        const model: Model = { expired: new Map(), memories: new Map(), coords: new Map(), stores: 0 }
        for (const one of steps) await perform(caller, model, one)
        await check(caller, model, limit)
        await product().local.runJob('rollup-usage')
        await check(caller, model, limit)
      }),
      { numRuns },
    )
  }, 1_200_000)
})

const inBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))

async function everyPage(product: Product, caller: Caller, kind: string, query: Record<string, string | undefined>): Promise<Record<string, unknown>[]> {
  const given = new URLSearchParams(Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined))
  const items: Record<string, unknown>[] = []
  for (;;) {
    const { status, body, text } = await product.call(caller, 'GET', `/v1/${kind}?${given}`)
    expect(status, text).toBe(200)
    items.push(...body.items)
    if (body.next_cursor === null) return items
    expect(body.items).toHaveLength(Number(query.limit))
    given.set('cursor', body.next_cursor)
  }
}

/** The newest instant at which a version of each scope began or ended, as the versions themselves say it; keys are the fields as JSON. */
async function activityOf(product: Product, caller: Caller): Promise<Map<string, string>> {
  const rows = await adminSql<Record<'namespace' | 'user_id' | 'agent_id' | 'session_id', string | null> & { at: Date }>(
    product,
    `select m.namespace, m.user_id, m.agent_id, m.session_id, m.recorded_at as at from memories m where m.tenant_id = $1::integer
     union all select v.namespace, v.user_id, v.agent_id, v.session_id, greatest(v.recorded_at, v.closed_at) from memory_versions v where v.tenant_id = $1::integer`,
    [caller.tenantId],
  )
  const newest = new Map<string, string>()
  for (const { namespace, user_id, agent_id, session_id, at } of rows) {
    for (const key of [{ namespace }, { namespace, user_id }, { namespace, session_id, user_id, agent_id, app_id: null, run_id: null }].map((fields) => JSON.stringify(fields))) {
      const time = at.toISOString()
      if (time > (newest.get(key) ?? '')) newest.set(key, time)
    }
  }
  return newest
}
