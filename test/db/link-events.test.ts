import { readFileSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import * as z from 'zod'
import { parseRecord } from '../../shared/outbox/index.ts'
import { projectEvents } from '../../shared/projection/index.ts'
import { indexVectors } from '../../shared/vector/index.ts'
import { type Caller, describeEngines } from '../support/engines.ts'
import { adminSql, capture, consumers, idsOf, loseWakeUps } from './admin.ts'

const schema = z.fromJSONSchema(JSON.parse(readFileSync('shared/outbox/memory.event.json', 'utf8')))

describeEngines('events of links', (product) => {
  let ada: Caller
  beforeAll(() => loseWakeUps(product()))

  /** a → b in namespace n, b → c, c → a; answers the ids of memories and links. */
  async function triangle(): Promise<{ ids: string[]; links: string[] }> {
    ada = await product().tenant()
    const items = ['n', 'm', 'default'].map((namespace, i) => ({ text: `memory ${i}`, namespace }))
    const ids = idsOf((await product().call(ada, 'POST', '/v1/memories/bulk', { items })).body.results)
    const links: string[] = []
    for (const [from, to] of [
      [0, 1],
      [1, 2],
      [2, 0],
    ] as const) {
      const link = { from: ids[from], to: ids[to], type: 'next', weight: 2.5, metadata: { n: from } }
      links.push((await product().call(ada, 'POST', '/v1/links', link)).body.id)
    }
    return { ids, links }
  }

  test('every event fits the schema; its key is the link’s, its namespace that of the memory it begins at', async () => {
    const { ids, links } = await triangle()
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    await product().call(ada, 'DELETE', `/v1/links/${links[0]}`, undefined, { traceparent })
    const outbox = capture(product())
    await outbox.drain()
    const records = outbox.of(ada).filter((record) => record.key.includes(':link:'))
    const events = records.map(parseRecord)
    for (const event of events) expect(schema.safeParse(event).success).toBe(true)
    expect(events.map(({ type, id, version, namespace, payload }) => [type, id, version, namespace, payload])).toEqual([
      ['linked', links[0], 1, 'n', { from: ids[0], to: ids[1], type: 'next', weight: 2.5, metadata: { n: 0 } }],
      ['linked', links[1], 1, 'm', { from: ids[1], to: ids[2], type: 'next', weight: 2.5, metadata: { n: 1 } }],
      ['linked', links[2], 1, 'default', { from: ids[2], to: ids[0], type: 'next', weight: 2.5, metadata: { n: 2 } }],
      ['unlinked', links[0], 2, 'n', { from: ids[0], to: ids[1], type: 'next', weight: 2.5, metadata: { n: 0 } }],
    ])
    expect(records.map(({ key }) => key)).toEqual([links[0], links[1], links[2], links[0]].map((id) => `${ada.tenant}:link:${id}`))
    expect(records[3]?.headers).toMatchObject({ 'memory-version': '2', 'tenant-id': ada.tenant, traceparent })
    expect(outbox.of(ada)).toHaveLength(7)
  })

  test('forgetting a memory says of each of its links that it is gone, before the memory', async () => {
    const { ids, links } = await triangle()
    const first = capture(product())
    await first.drain()
    expect((await product().call(ada, 'DELETE', `/v1/memories/${ids[0]}`)).status).toBe(204)
    expect(await adminSql(product(), 'select id from links where tenant_id = $1::integer', [ada.tenantId])).toEqual([{ id: links[1] }])
    const outbox = capture(product())
    await outbox.drain()
    const events = outbox.of(ada).map(parseRecord)
    for (const event of events) expect(schema.safeParse(event).success).toBe(true)
    expect(events.map(({ type }) => type)).toEqual(['unlinked', 'unlinked', 'deleted'])
    const gone = events.slice(0, 2).sort((a, b) => links.indexOf(a.id) - links.indexOf(b.id))
    expect(gone.map(({ id, version, namespace, payload }) => [id, version, namespace, payload])).toEqual([
      [links[0], 2, 'n', { from: ids[0], to: ids[1], type: 'next', weight: 2.5, metadata: { n: 0 } }],
      [links[2], 2, 'default', { from: ids[2], to: ids[0], type: 'next', weight: 2.5, metadata: { n: 2 } }],
    ])
  })

  test('an expired memory goes with its links', async () => {
    const { ids, links } = await triangle()
    await adminSql(product(), `update memories set expires_at = now() where tenant_id = $1::integer and id = $2::uuid`, [ada.tenantId, ids[1]])
    const call = JSON.stringify({ actor: 'test', action: 'memory.expire' })
    const access = { role: 'soma_worker', tenantId: ada.tenantId } as const
    const [row] = await product().local.db.worker.statement<{ n: number }>(access, 'select expire_memories($1::integer, 10, $2::jsonb) as n', [ada.tenantId, call])
    expect(row?.n).toBe(1)
    const outbox = capture(product())
    await outbox.drain()
    const unlinked = outbox
      .of(ada)
      .map(parseRecord)
      .filter(({ type }) => type === 'unlinked')
    expect(idsOf(unlinked).sort()).toEqual([links[0], links[1]].sort())
  })

  test('memory_events keeps them by their type, however often they come, and counts of stored versions do not see them', async () => {
    const { links } = await triangle()
    const outbox = capture(product())
    await outbox.drain()
    const { worker, generation } = consumers(product())
    for (let round = 0; round < 2; round++) expect(await projectEvents({ worker, generation }, outbox.of(ada))).toEqual([])
    const rows = await adminSql<{ type: string; n: number }>(
      product(),
      'select type, count(*)::integer as n from memory_events where tenant_id = $1::integer group by 1 order by 1',
      [ada.tenantId],
    )
    expect(rows).toEqual([
      { type: 'created', n: 3 },
      { type: 'linked', n: 3 },
    ])
    const kept = await adminSql<{ id: string; payload: object }>(product(), `select id, payload from memory_events where tenant_id = $1::integer and type = 'linked'`, [
      ada.tenantId,
    ])
    expect(idsOf(kept).sort()).toEqual(links.toSorted())
    await product().settle()
    expect((await product().call(ada, 'GET', '/stats')).body.total_memories).toBe(3)
  })

  test('index-vectors passes them by', async () => {
    await triangle()
    const outbox = capture(product())
    await outbox.drain()
    const { worker, generation, embedder } = consumers(product())
    const embedded: string[] = []
    const counting = {
      ...embedder,
      embed(texts: string[]) {
        embedded.push(...texts)
        return embedder.embed(texts)
      },
    }
    const links = outbox.of(ada).filter((record) => record.key.includes(':link:'))
    expect([links.length, await indexVectors({ worker, generation, embedder: counting }, links), embedded]).toEqual([3, [], []])
    expect(await indexVectors({ worker, generation, embedder: counting }, outbox.of(ada))).toEqual([])
    expect(embedded.sort()).toEqual(['memory 0', 'memory 1', 'memory 2'])
  })
})
