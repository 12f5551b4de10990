import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, expect, test } from 'vitest'
import { type Answer, type Caller, describeEveryEngine, type Product } from '../support/engines.ts'
import { adminSql, loseWakeUps } from './admin.ts'

const modes = ['lexical', 'vector', 'hybrid'] as const
const texts = (answer: Answer): string[] => (answer.body.results ?? answer.body.items).map((one: { text: string }) => one.text)

describeEveryEngine('time', (product) => {
  beforeAll(() => loseWakeUps(product()))

  /** An instant after everything so far and before everything that follows. */
  async function tick(): Promise<string> {
    await sleep(3)
    const [row] = await adminSql<{ now: Date }>(product(), 'select change_instant() as now')
    await sleep(3)
    return (row as { now: Date }).now.toISOString()
  }
  const post = (caller: Caller, path: string, body: object) => product().call(caller, 'POST', path, body)
  const ask = (caller: Caller, query: string, more: object) => post(caller, '/v1/recall', { query, ...more })

  test('get, list, history and recall in every mode show what was known at an instant, also what was forgotten since', async () => {
    const { call, settle, tenant } = product()
    const ada = await tenant()
    const before = await tick()
    const { id } = (await post(ada, '/v1/memories', { text: 'the boat is red', user_id: 'u', tags: ['boat'] })).body
    await settle()
    const red = await tick()
    await call(ada, 'PATCH', `/v1/memories/${id}`, { text: 'the boat is green', tags: ['ship'] })
    await settle()
    const green = await tick()
    await call(ada, 'DELETE', `/v1/memories/${id}`)
    await settle()
    const gone = await tick()

    for (const [asOf, text] of [
      [before, null],
      [red, 'the boat is red'],
      [green, 'the boat is green'],
      [gone, null],
    ] as const) {
      const expected = text === null ? [] : [text]
      const got = await call(ada, 'GET', `/v1/memories/${id}?as_of=${asOf}`)
      expect([got.status, got.body.text]).toEqual(text === null ? [404, undefined] : [200, text])
      expect(texts(await post(ada, '/v1/memories/list', { as_of: asOf }))).toEqual(expected)
      expect(texts(await post(ada, '/v1/memories/list', { as_of: asOf, user_id: 'u', filters: { tags: { contains: 'boat' } } }))).toEqual(asOf === red ? expected : [])
      for (const mode of modes)
        for (const scope of [{}, { user_id: 'u' }]) {
          expect([mode, texts(await ask(ada, 'boat', { as_of: asOf, mode, ...scope }))]).toEqual([mode, expected])
        }
    }
    const history = (await call(ada, 'GET', `/v1/memories/${id}/history?as_of=${green}`)).body.items
    expect(history.map(({ version, state, closed_at }: Record<string, unknown>) => [version, state, closed_at === null])).toEqual([
      [1, 'closed', false],
      [2, 'open', true],
    ])
    expect((await call(ada, 'GET', `/v1/memories/${id}`)).status).toBe(404)
    expect(texts(await ask(ada, 'boat', {}))).toEqual([])
  })

  test('as_of one’s own updated_at finds the version, at once', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const stored = (await post(ada, '/v1/memories', { text: 'first' })).body
    expect((await call(ada, 'GET', `/v1/memories/${stored.id}?as_of=${stored.updated_at}`)).body.version).toBe(1)
    const patched = (await call(ada, 'PATCH', `/v1/memories/${stored.id}`, { text: 'second' })).body
    expect((await call(ada, 'GET', `/v1/memories/${stored.id}?as_of=${patched.updated_at}`)).body.version).toBe(2)
  })

  test('the words that a version no longer has are not what it is found by, at the instant when it had others', async () => {
    const { call, settle, tenant } = product()
    const ada = await tenant()
    const { id } = (await post(ada, '/v1/memories', { text: 'walnut' })).body
    await settle()
    const then = await tick()
    await call(ada, 'PATCH', `/v1/memories/${id}`, { text: 'hazel' })
    await settle()
    expect(texts(await ask(ada, 'hazel', { as_of: then, mode: 'lexical' }))).toEqual([])
    expect(texts(await ask(ada, 'walnut', { mode: 'lexical' }))).toEqual([])
    const explained = await ask(ada, 'walnut hazel', { as_of: then, explain: true })
    expect(explained.body.results[0].explain.matched_terms).toEqual(['walnut'])
  })

  test('validity and knowledge are two axes: each alone, and both together', async () => {
    const { tenant } = product()
    const ada = await tenant()
    const old = (await post(ada, '/v1/memories', { text: 'Ada lives in Oslo', valid_from: '2020-01-01T00:00:00Z' })).body
    const known = await tick()
    await post(ada, '/v1/memories', { text: 'Ada lives in Lisbon', valid_from: '2022-06-01T00:00:00Z', supersedes: old.id })
    const now = await tick()
    const where = async (more: object) => [texts(await ask(ada, 'where does Ada live', more)), texts(await post(ada, '/v1/memories/list', more))]
    const oslo = [['Ada lives in Oslo'], ['Ada lives in Oslo']]
    const lisbon = [['Ada lives in Lisbon'], ['Ada lives in Lisbon']]
    expect(await where({})).toEqual(lisbon)
    expect(await where({ valid_at: '2021-01-01T00:00:00Z' })).toEqual(oslo)
    expect(await where({ valid_at: '2019-01-01T00:00:00Z' })).toEqual([[], []])
    // before the move was known, Oslo held for every later day
    expect(await where({ as_of: known, valid_at: '2023-01-01T00:00:00Z' })).toEqual(oslo)
    expect(await where({ as_of: now, valid_at: '2023-01-01T00:00:00Z' })).toEqual(lisbon)
    expect(await where({ as_of: now, valid_at: '2021-01-01T00:00:00Z' })).toEqual(oslo)
    expect(await where({ as_of: known })).toEqual(oslo)
  })

  test('as of an instant, what had not expired then is there, and what had is not', async () => {
    const { tenant } = product()
    const ada = await tenant()
    const { created_at } = (await post(ada, '/v1/memories', { text: 'a short errand', ttl_seconds: 1 })).body
    await sleep(1_100)
    expect(texts(await ask(ada, 'errand', {}))).toEqual([])
    expect(texts(await ask(ada, 'errand', { as_of: created_at }))).toEqual(['a short errand'])
    expect(texts(await post(ada, '/v1/memories/list', { as_of: await tick() }))).toEqual([])
  })

  test('pages of a list as of an instant are stable while everything changes', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const stored = await post(ada, '/v1/memories/bulk', { items: Array.from({ length: 25 }, (_, i) => ({ text: `note ${i}` })) })
    const then = await tick()
    const query = { as_of: then, order_by: 'created_at asc', limit: 10 }
    const seen: string[] = []
    for (let cursor: string | undefined; ; ) {
      const page = (await post(ada, '/v1/memories/list', { ...query, ...(cursor ? { cursor } : {}) })).body
      seen.push(...page.items.map((one: { text: string }) => one.text))
      if (page.next_cursor === null) break
      cursor = page.next_cursor
      for (const { id } of stored.body.results.splice(0, 8)) await call(ada, 'PATCH', `/v1/memories/${id}`, { text: 'changed' })
      await post(ada, '/v1/memories', { text: 'newer' })
    }
    expect(seen).toEqual(Array.from({ length: 25 }, (_, i) => `note ${i}`))
  })

  test('looking back needs memory:history, and the future cannot be asked', async () => {
    const { call, tenant } = product()
    const reader = await tenant(['memory:read', 'memory:write'])
    const { id } = (await post(reader, '/v1/memories', { text: 'x' })).body
    const asOf = await tick()
    for (const answer of [
      await call(reader, 'GET', `/v1/memories/${id}?as_of=${asOf}`),
      await post(reader, '/v1/memories/list', { as_of: asOf }),
      await ask(reader, 'x', { as_of: asOf }),
    ]) {
      expect([answer.status, answer.body.code]).toEqual([403, 'forbidden'])
    }
    const ada = await tenant()
    const ahead = new Date(Date.now() + 60_000).toISOString()
    for (const answer of [
      await call(ada, 'GET', `/v1/memories/${id}?as_of=${ahead}`),
      await post(ada, '/v1/memories/list', { as_of: ahead }),
      await ask(ada, 'x', { as_of: ahead }),
    ]) {
      expect([answer.status, answer.body.errors]).toMatchObject([422, [{ pointer: '/as_of' }]])
    }
    for (const wrong of ['yesterday', '2026-02-30T00:00:00Z', '']) expect((await call(ada, 'GET', `/v1/memories/${id}?as_of=${wrong}`)).status).toBe(422)
  })
})

describeEveryEngine(
  'time and transactions that are still open',
  (product) => {
    /** A store that has done its work and does not commit until it is told. */
    async function openStore(p: Product, caller: Caller, text: string): Promise<{ commit(): Promise<void> }> {
      const { promise, resolve } = Promise.withResolvers<void>()
      const started = Promise.withResolvers<void>()
      const item = [
        {
          i: 0,
          id: crypto.randomUUID(),
          event_id: crypto.randomUUID(),
          namespace: 'default',
          memory_type: 'episodic',
          text,
          metadata: {},
          tags: [],
          importance: 1,
          tokenizer: 1,
          term_count: 1,
          bytes: 1,
        },
      ]
      const done = p.local.db.app.transaction({ role: 'soma_app', tenantId: caller.tenantId }, async (tx) => {
        await tx.query('select store_memories($1::integer, $2::jsonb, $3::jsonb, $4::integer[], $5::text[], $6::smallint[])', [
          caller.tenantId,
          JSON.stringify(item),
          JSON.stringify({ actor: 'test', action: 'memory.store' }),
          [0],
          ['harbour'],
          [1],
        ])
        started.resolve()
        await promise
      })
      await started.promise
      return {
        async commit() {
          resolve()
          await done
        },
      }
    }

    test('an instant at or after a store that has not committed is refused, an earlier one is exact before and after it commits, and other tenants do not wait', async () => {
      const p = product()
      const [ada, eve] = [await p.tenant(), await p.tenant()]
      await p.call(ada, 'POST', '/v1/memories', { text: 'harbour one' })
      await sleep(5)
      const earlier = new Date().toISOString()
      await sleep(5)
      const open = await openStore(p, ada, 'harbour two')
      await sleep(5)
      const later = new Date().toISOString()
      await sleep(5)
      const ask = (caller: Caller, asOf: string) => p.call(caller, 'POST', '/v1/recall', { query: 'harbour', as_of: asOf, mode: 'lexical' })
      const refused = await ask(ada, later)
      expect([refused.status, refused.body.errors[0].pointer]).toEqual([422, '/as_of'])
      expect(texts(await ask(ada, earlier))).toEqual(['harbour one'])
      expect((await ask(eve, later)).status).toBe(200)
      // the present does not wait for it
      expect(texts(await p.call(ada, 'POST', '/v1/recall', { query: 'harbour', mode: 'lexical' }))).toEqual(['harbour one'])
      await open.commit()
      expect(texts(await ask(ada, earlier))).toEqual(['harbour one'])
      expect(texts(await ask(ada, later)).sort()).toEqual(['harbour one', 'harbour two'])
    })

    test('versions of one memory follow each other without a gap or an overlap, however many write it at once', async () => {
      const p = product()
      const ada = await p.tenant()
      await Promise.all(Array.from({ length: 30 }, (_, i) => p.call(ada, 'POST', '/v1/memories', { text: `take ${i}`, coord: '7' })))
      const rows = await adminSql<{ version: number; recorded_at: Date; closed_at: Date | null }>(
        p,
        `select version, recorded_at, closed_at from memory_versions where tenant_id = $1::integer union all select version, recorded_at, null from memories where tenant_id = $1::integer order by version`,
        [ada.tenantId],
      )
      expect(rows.map((row) => row.version)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1))
      for (const [i, row] of rows.entries()) if (i > 0) expect(rows[i - 1]?.closed_at).toEqual(row.recorded_at)
      expect(rows.every((row) => row.closed_at === null || row.closed_at >= row.recorded_at)).toBe(true)
    })
  },
  ['postgres 18', 'postgres 16'],
)
