import { beforeAll, expect, test } from 'vitest'
import type { Database } from '../../shared/db/index.ts'
import { hashEmbedder } from '../../shared/embed/index.ts'
import { recall } from '../../shared/recall/index.ts'
import { createReadMeter, rollupUsage } from '../../shared/usage/index.ts'
import { type Caller, describeEngines } from '../support/engines.ts'
import { adminSql, loseWakeUps, rowCounts } from './admin.ts'
import { recording, type Statement } from './plans.ts'

const never = { everyMs: 3_600_000 }
const unexpected = (error: unknown) => {
  throw error
}
/** Every statement is carried out, and then the answer to the first `lost` of them does not arrive. */
function losing(db: Database, lost: number): Database {
  let left = lost
  return {
    ...db,
    async statement<Row>(...given: Parameters<Database['statement']>) {
      const rows = await db.statement<Row>(...given)
      if (left-- > 0) throw new Error('the connection was lost')
      return rows
    },
  }
}

describeEngines('the meter of reads', (product) => {
  beforeAll(() => loseWakeUps(product()))
  const app = () => product().local.db.app
  const read = async (caller: Caller, query = '') => {
    const { recalls, embedded_tokens: tokens } = (await product().call(caller, 'GET', `/v1/usage${query}`)).body.totals
    return [recalls, tokens]
  }

  test('a recall writes nothing and says what it used; only one that answers counts, and a lexical one embeds nothing', async () => {
    const { call, tenant, ctx } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories', { text: 'tea', namespace: 'n' })
    const statements: Statement[] = []
    const used: object[] = []
    const deps = { embedder: hashEmbedder(384), onDegraded: () => {}, generation: async () => 1, onRecalled: (use: object) => used.push(use) }
    const ask = (body: object, embedder = deps.embedder) =>
      recall({ ...ctx(ada), app: recording(app(), statements) }, { ...deps, embedder }, { query: 'tea time', mode: 'vector', ...body })
    await ask({ namespace: 'n' })
    await product().settle()
    await ask({ namespace: 'n' })
    await ask({ namespace: 'n', mode: 'lexical' })
    await ask({ namespace: 'nothing here' })
    await ask({ namespace: 'n' }, { ...deps.embedder, embed: () => Promise.reject(new Error('away')) })
    await expect(ask({ top_k: 0 })).rejects.toThrow()
    const [{ scope_key: key }] = (await adminSql(product(), `select scope_key from scopes where tenant_id = $1::integer and user_id is null`, [ada.tenantId])) as [
      { scope_key: number },
    ]
    const use = (namespaceKey: number, embeddedTokens: number) => ({ tenantId: ada.tenantId, namespaceKey, embeddedTokens })
    expect(used).toEqual([use(key, 2), use(key, 2), use(key, 0), use(0, 2), use(key, 0)])
    expect(statements.length).toBeGreaterThan(5)
    for (const { access } of statements) expect(access).toMatchObject({ role: 'soma_app', readOnly: true })
  })

  test('recalls over HTTP, of the API and of the guides, stand in the usage after a flush, folded or not', async () => {
    const { call, tenant, local } = product()
    const [ada, eve] = [await tenant(), await tenant()]
    await call(ada, 'POST', '/v1/memories', { text: 'tea' })
    const { body } = await call(ada, 'POST', '/v1/recall', { query: 'x'.repeat(41), mode: 'vector' })
    // a replay embeds nothing
    await call(ada, 'POST', '/v1/recall', { query: 'x'.repeat(41), mode: 'vector', replay: body.replay })
    await call(ada, 'POST', '/v1/recall', { query: 'tea', mode: 'lexical' })
    await call(ada, 'GET', '/recall?query=tea')
    await call(ada, 'POST', '/v1/recall', { query: '' })
    expect(await read(ada)).toEqual([0, 0])
    await local.flushReads()
    expect(await read(ada)).toEqual([4, 11])
    await local.flushReads()
    await local.runJob('rollup-usage')
    expect(await read(ada)).toEqual([4, 11])
    expect(await read(eve)).toEqual([0, 0])
    expect((await call(ada, 'GET', '/v1/namespaces')).body.items).toMatchObject([{ namespace: 'default', memories: 1 }])
    const [junk] = await adminSql(product(), 'select count(*)::integer as n from scope_stats where scope_key = 0')
    expect(junk).toEqual({ n: 0 })
  })

  test('a flush whose answer got lost is repeated and counts once', async () => {
    const [ada, eve] = [await product().tenant(), await product().tenant()]
    const errors: unknown[] = []
    const meter = createReadMeter(losing(app(), 3), (error) => errors.push(error), never)
    for (const { tenantId } of [ada, eve, ada]) meter.count({ tenantId, namespaceKey: 0, embeddedTokens: 5 })
    await meter.flush()
    expect(errors).toHaveLength(2)
    meter.count({ tenantId: ada.tenantId, namespaceKey: 0, embeddedTokens: 1 })
    await meter.flush()
    expect(errors).toHaveLength(3)
    await meter.close()
    expect(await read(ada)).toEqual([3, 11])
    expect(await read(eve)).toEqual([1, 5])
    expect(await rowCounts(product(), ada, ['usage_batches'])).toEqual({ usage_batches: 2 })
  })

  test('the same batch from two sides at once counts once', async () => {
    const ada = await product().tenant()
    const both: Database = {
      ...app(),
      async statement<Row>(...given: Parameters<Database['statement']>) {
        const [rows] = await Promise.all([app().statement<Row>(...given), app().statement<Row>(...given)])
        return rows as Row[]
      },
    }
    const meter = createReadMeter(both, unexpected, never)
    for (let i = 0; i < 10; i++) meter.count({ tenantId: ada.tenantId, namespaceKey: i % 3, embeddedTokens: 1 })
    await meter.flush()
    expect(await read(ada)).toEqual([10, 10])
  })

  test('what cannot be written is kept, in bounds, and written when it can be', async () => {
    const ada = await product().tenant()
    let down = true
    const errors: unknown[] = []
    let attempts = 0
    const broken: Database = {
      ...app(),
      statement: (...given) => {
        attempts++
        return down ? Promise.reject(new Error('read only')) : app().statement(...given)
      },
    }
    const meter = createReadMeter(broken, (error) => errors.push(error), never)
    for (let i = 0; i < 5; i++) {
      meter.count({ tenantId: ada.tenantId, namespaceKey: 0, embeddedTokens: 1 })
      await meter.flush()
    }
    // one batch waits, whatever came after it
    expect([errors.length, attempts]).toEqual([5, 5])
    down = false
    await meter.close()
    expect(await read(ada)).toEqual([5, 5])
    expect(await rowCounts(product(), ada, ['usage_batches'])).toEqual({ usage_batches: 2 })
  })

  test('a crash loses what was not flushed yet and nothing else', async () => {
    const ada = await product().tenant()
    const crashed = createReadMeter(app(), unexpected, never)
    const use = { tenantId: ada.tenantId, namespaceKey: 0, embeddedTokens: 1 }
    for (let i = 0; i < 4; i++) crashed.count(use)
    await crashed.flush()
    crashed.count(use)
    const next = createReadMeter(app(), unexpected, never)
    next.count(use)
    await next.close()
    expect(await read(ada)).toEqual([5, 5])
  })

  test('it flushes by itself: after its time, and as soon as it has as many entries as it keeps', async () => {
    const [ada, eve] = [await product().tenant(), await product().tenant()]
    const timed = createReadMeter(app(), unexpected, { everyMs: 1 })
    timed.count({ tenantId: ada.tenantId, namespaceKey: 0, embeddedTokens: 1 })
    await expect.poll(() => read(ada), { timeout: 20_000 }).toEqual([1, 1])
    timed.count({ tenantId: ada.tenantId, namespaceKey: 0, embeddedTokens: 1 })
    await expect.poll(() => read(ada), { timeout: 20_000 }).toEqual([2, 2])
    const small = createReadMeter(app(), unexpected, { ...never, mostEntries: 3 })
    for (const namespaceKey of [1, 2, 2]) small.count({ tenantId: eve.tenantId, namespaceKey, embeddedTokens: 1 })
    small.count({ tenantId: eve.tenantId, namespaceKey: 3, embeddedTokens: 1 })
    await expect.poll(() => read(eve), { timeout: 20_000 }).toEqual([4, 4])
  })

  test('before a freeze it flushes at most once a second, and what is counted keeps its hour however long the sandbox slept', async () => {
    const ada = await product().tenant()
    let now = Date.parse('2026-01-01T10:59:59.500Z')
    const meter = createReadMeter(app(), unexpected, { ...never, now: () => now })
    const count = async () => {
      meter.count({ tenantId: ada.tenantId, namespaceKey: 0, embeddedTokens: 1 })
      await meter.flushBeforeFreeze()
    }
    const hours = async () =>
      (await product().call(ada, 'GET', '/v1/usage?by=hour&from=2026-01-01T10:00:00Z&to=2026-01-01T13:00:00Z')).body.items.map((one: { recalls: number }) => one.recalls)
    await count()
    expect(await hours()).toEqual([1, 0, 0])
    await count()
    now += 499
    await count()
    expect(await hours()).toEqual([1, 0, 0])
    now = Date.parse('2026-01-01T12:30:00Z')
    await count()
    expect(await hours()).toEqual([3, 0, 1])
  })

  test('rollups and flushes at the same moment count each recall once', async () => {
    const ada = await product().tenant()
    const meters = Array.from({ length: 4 }, () => createReadMeter(app(), unexpected, never))
    const work = async (meter: (typeof meters)[0]) => {
      for (let i = 0; i < 10; i++) {
        meter.count({ tenantId: ada.tenantId, namespaceKey: 0, embeddedTokens: 2 })
        await meter.flush()
      }
    }
    const rollups = Array.from({ length: 4 }, () => rollupUsage(product().local.db.worker, new AbortController().signal))
    await Promise.all([...meters.map(work), ...rollups])
    expect(await read(ada)).toEqual([40, 80])
    await rollupUsage(product().local.db.worker, new AbortController().signal)
    expect(await read(ada)).toEqual([40, 80])
  })
})
