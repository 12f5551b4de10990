import { beforeAll, expect, test } from 'vitest'
import { drainOutbox } from '../../shared/outbox/index.ts'
import { projectEvents } from '../../shared/projection/index.ts'
import { indexVectors } from '../../shared/vector/index.ts'
import { type Caller, describeEngines, type Product } from '../support/engines.ts'
import { adminSql, capture, consumers, loseWakeUps } from './admin.ts'

type EventRow = { id: string; version: number; type: string }
const projected = (product: Product, caller: Caller) =>
  adminSql<EventRow>(product, 'select id, version, type from memory_events where tenant_id = $1::integer order by id, version', [caller.tenantId])
const vectors = (product: Product, caller: Caller) =>
  adminSql<{ id: string; version: number }>(
    product,
    'select m.id, v.version from vectors v left join memories m on m.tenant_id = v.tenant_id and m.memory_key = v.memory_key where v.tenant_id = $1::integer order by m.id',
    [caller.tenantId],
  )

describeEngines('from the outbox to the projection and the index', (product) => {
  beforeAll(() => loseWakeUps(product()))

  /** One memory with three versions, one that was forgotten, one of one version; and what the drain published of them. */
  async function history() {
    const { call, tenant } = product()
    const ada = await tenant()
    const long = (await call(ada, 'POST', '/v1/memories', { text: 'first', coord: '1' })).body.id
    await call(ada, 'PATCH', `/v1/memories/${long}`, { text: 'second' })
    await call(ada, 'POST', '/v1/memories', { text: 'third', coord: '1' })
    const gone = (await call(ada, 'POST', '/v1/memories', { text: 'forgotten' })).body.id
    await call(ada, 'DELETE', `/v1/memories/${gone}`)
    const short = (await call(ada, 'POST', '/v1/memories', { text: 'short' })).body.id
    const outbox = capture(product())
    await outbox.drain()
    const expected = [
      { id: long, version: 1, type: 'created' },
      { id: long, version: 2, type: 'updated' },
      { id: long, version: 3, type: 'updated' },
      { id: gone, version: 1, type: 'created' },
      { id: gone, version: 2, type: 'deleted' },
      { id: short, version: 1, type: 'created' },
    ]
    return { ada, long, gone, short, expected, records: outbox.of(ada) }
  }

  test('each version is one row of memory_events, however often, at once and in whatever order its event arrives', async () => {
    const { ada, records, expected } = await history()
    const deps = consumers(product())
    expect(records).toHaveLength(6)
    expect(await projectEvents(deps, records.toReversed())).toEqual([])
    const again = [records, [...records, ...records], ...records.map((record) => [record])]
    expect((await Promise.all(again.map((batch) => projectEvents(deps, batch)))).flat()).toEqual([])
    expect(await projected(product(), ada)).toEqual(expected.sort((a, b) => a.id.localeCompare(b.id) || a.version - b.version))
  })

  test('the product’s own drain, run twice at once and again, projects each version once', async () => {
    const { call, tenant, local } = product()
    const ada = await tenant()
    const items = Array.from({ length: 450 }, (_, i) => ({ text: `note ${i}`, coord: `${i % 300}` }))
    await call(ada, 'POST', '/v1/memories/bulk', { items })
    await Promise.all([local.runJob('drain-outbox'), local.runJob('drain-outbox')])
    await local.runJob('drain-outbox')
    const rows = await projected(product(), ada)
    expect(rows).toHaveLength(450)
    expect(new Set(rows.map(({ id, version }) => `${id} ${version}`)).size).toBe(450)
    expect(await vectors(product(), ada)).toHaveLength(300)
  })

  test('two drains at the same moment publish every event exactly once between them', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories/bulk', { items: Array.from({ length: 450 }, (_, i) => ({ text: `note ${i}` })) })
    const [one, two] = [capture(product()), capture(product())]
    const signal = new AbortController().signal
    await Promise.all([drainOutbox(one.deps, signal), drainOutbox(two.deps, signal)])
    const ids = [...one.of(ada), ...two.of(ada)].map((record) => record.headers['event-id'])
    expect(ids).toHaveLength(450)
    expect(new Set(ids).size).toBe(450)
  })

  test('events in reverse order and repeated leave one vector a memory, of its newest version, and none of a forgotten one', async () => {
    const { ada, long, short, records } = await history()
    const deps = consumers(product())
    for (const batch of [records.toReversed(), records, records.slice(0, 1)]) expect(await indexVectors(deps, batch)).toEqual([])
    expect(await vectors(product(), ada)).toEqual([
      { id: long, version: 3 },
      { id: short, version: 1 },
    ])
    const pending = await adminSql(product(), 'select 1 from vector_pending where tenant_id = $1::integer', [ada.tenantId])
    expect(pending).toEqual([])
  })

  test('a version that is replaced or forgotten while it is embedded leaves no vector behind', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const changed = (await call(ada, 'POST', '/v1/memories', { text: 'old words' })).body.id
    const forgotten = (await call(ada, 'POST', '/v1/memories', { text: 'forgotten words' })).body.id
    const outbox = capture(product())
    await outbox.drain()
    const deps = consumers(product())
    let embeddings = 0
    const meanwhile = {
      ...deps.embedder,
      async embed(texts: string[]) {
        if (embeddings++ === 0) {
          await call(ada, 'PATCH', `/v1/memories/${changed}`, { text: 'new words' })
          await call(ada, 'DELETE', `/v1/memories/${forgotten}`)
        }
        return deps.embedder.embed(texts)
      },
    }
    expect(await indexVectors({ ...deps, embedder: meanwhile }, outbox.of(ada))).toEqual([])
    expect(embeddings).toBe(1)
    expect(await vectors(product(), ada)).toEqual([])
    expect((await call(ada, 'GET', `/v1/memories/${changed}`)).body.index_state).toBe('pending')
    await outbox.drain()
    await indexVectors(deps, outbox.of(ada))
    expect(await vectors(product(), ada)).toEqual([{ id: changed, version: 2 }])
  })

  test('a record that cannot be read, of an unknown tenant or of another generation stops nothing', async () => {
    const { ada, records, expected } = await history()
    const deps = consumers(product())
    const [good] = records as [(typeof records)[0]]
    const event = JSON.parse(good.value as string)
    const more = (change: Record<string, unknown>) => ({ ...good, value: JSON.stringify({ ...event, event_id: '019a0000-0000-7000-8000-000000000001', ...change }) })
    const odd = [{ ...good, value: '{' }, more({ color: 'red' }), more({ tenant_id: 'nobody' }), more({ generation: 99 }), { ...good, value: null }]
    const failures = await projectEvents(deps, [...odd, ...records])
    expect(failures.map(({ index, poison }) => [index, poison]).sort()).toEqual([
      [0, true],
      [1, true],
      [2, true],
    ])
    expect(await projected(product(), ada)).toHaveLength(expected.length)
  })

  test('an embedder that fails leaves the records to be tried again, and the memories pending', async () => {
    const { ada, short, records } = await history()
    const deps = consumers(product())
    const broken = { ...deps.embedder, embed: () => Promise.reject(new Error('no model')) }
    const failures = await indexVectors({ ...deps, embedder: broken }, records)
    expect(failures.length).toBeGreaterThan(0)
    expect(failures.every(({ poison, error }) => !poison && error.message === 'no model')).toBe(true)
    expect(await vectors(product(), ada)).toEqual([])
    await indexVectors(deps, records)
    expect((await vectors(product(), ada)).map(({ id }) => id)).toContain(short)
  })
})
