import { expect, test } from 'vitest'
import { type Caller, describeEngines, type Product } from '../support/engines.ts'
import { everything, exportOf, exportText, hashOf, importOf, insertLink, parse, uuid } from '../support/transfer.ts'
import { adminSql } from './admin.ts'

/** A tenant with all that an export can hold: versions, supersession, coords, scopes, payloads, links, what is forgotten and what has expired. */
async function furnished(product: Product): Promise<Caller> {
  const ada = await product.tenant()
  const store = async (body: unknown) => (await product.call(ada, 'POST', '/v1/memories', body)).body
  const first = await store({ text: 'Ada drinks tea', user_id: 'ada', session_id: 's', tags: ['tea', 'Ünï'], metadata: { a: { b: [1, 2.5, null] } }, importance: 3 })
  await product.settle()
  for (const text of ['Ada drinks coffee', 'Ada drinks water']) await product.call(ada, 'PATCH', `/v1/memories/${first.id}`, { text })
  const second = await store({ text: 'Ada lives in Porto', user_id: 'ada', valid_from: '2020-01-01T00:00:00Z' })
  await store({ text: 'Ada lives in Lisbon', user_id: 'ada', supersedes: second.id })
  for (const coord of ['1,2', '1,2', '3']) await store({ payload: { note: 'at a place', n: 1e21, small: 1e-7 }, coord, memory_type: 'semantic', namespace: 'places' })
  const third = await store({
    messages: [{ role: 'user', content: 'hello 🍵', name: 'Eve', at: '2024-05-05T05:05:05.005Z' }],
    app_id: 'x',
    run_id: 'r',
    agent_id: 'g',
    language: 'de',
  })
  await store({ text: 'not valid yet', valid_from: '2999-01-01T00:00:00Z', expires_at: '2999-01-02T00:00:00Z' })
  const gone = await store({ text: 'forgotten' })
  const expired = await store({ text: 'expired', expires_at: '2001-01-01T00:00:00Z' })
  await insertLink(product, ada, uuid(900), first.id, third.id)
  await insertLink(product, ada, uuid(901), third.id, first.id, 'answers')
  await insertLink(product, ada, uuid(902), first.id, expired.id)
  await product.call(ada, 'DELETE', `/v1/memories/${gone.id}`)
  await product.settle()
  return ada
}

describeEngines('export and import', (product) => {
  test('what was exported comes back: the same lines, the same hash, with versions, links and vectors', async () => {
    const ada = await furnished(product())
    const text = await exportText(product(), ada, `${everything}&vectors=true`)
    const lines = parse(text)
    expect(lines.map((line) => line.kind ?? 'memory')).toEqual([
      ...['version', 'version', 'memory', 'version', 'memory', 'memory', 'version', 'memory', 'memory', 'memory', 'memory', 'link', 'link'],
    ])
    expect(lines.filter((line) => line.kind === undefined && line.embedding).length).toBe(7)
    // the first version was indexed; others are when the drain was quicker than their replacement
    const [vectors] = await adminSql<{ closed: number }>(
      product(),
      // what was forgotten goes nowhere, whether it was indexed before or not
      'select count(*)::integer as closed from closed_vectors v join memories m using (tenant_id, memory_key) where tenant_id = $1::integer',
      [ada.tenantId],
    )
    expect(vectors?.closed).toBeGreaterThanOrEqual(1)
    expect(lines.filter((line) => line.kind === 'version' && line.embedding_dim === 384).length).toBe(vectors?.closed)
    const eve = await product().tenant()
    const imported = await importOf(product(), eve, text)
    expect(imported).toMatchObject({ status: 200, body: { lines: 13, imported: 7, versions: 4, links: 2, duplicate: 0, failed: 0, errors: [], more_errors: 0 } })
    expect(await exportText(product(), eve, `${everything}&vectors=true`)).toBe(text)
    await product().settle()
    expect(await exportText(product(), eve, `${everything}&vectors=true`)).toBe(text)
    expect(hashOf(await exportOf(product(), eve))).toBe(hashOf(lines))
  })

  test('doing it again changes nothing', async () => {
    const ada = await furnished(product())
    const text = await exportText(product(), ada)
    const eve = await product().tenant()
    await importOf(product(), eve, text)
    expect((await importOf(product(), eve, text)).body).toMatchObject({ lines: 13, imported: 0, versions: 0, links: 0, duplicate: 13, failed: 0 })
    expect((await importOf(product(), ada, text)).body).toMatchObject({ duplicate: 13, failed: 0 })
    expect(await exportText(product(), eve)).toBe(text)
  })

  test('an imported memory is recalled, listed, counted, changed and forgotten like any other', async () => {
    const ada = await furnished(product())
    const eve = await product().tenant()
    await importOf(product(), eve, await exportText(product(), ada))
    const recall = async (query: string, more = {}) => (await product().call(eve, 'POST', '/v1/recall', { query, ...more })).body.results
    const [tail] = await recall('water', { user_id: 'ada' })
    expect(tail).toMatchObject({ text: 'Ada drinks water', index_state: 'pending', version: 3 })
    await product().settle()
    expect((await recall('water', { user_id: 'ada' }))[0]).toMatchObject({ id: tail.id, index_state: 'indexed' })
    expect((await product().call(eve, 'GET', '/stats')).body).toMatchObject({ total_memories: 7, episodic: 5, semantic: 2 })
    const history = (await product().call(eve, 'GET', `/v1/memories/${tail.id}/history`)).body.items
    expect(history.map((one: { version: number; state: string; text: string }) => [one.version, one.state, one.text])).toEqual([
      [1, 'closed', 'Ada drinks tea'],
      [2, 'closed', 'Ada drinks coffee'],
      [3, 'open', 'Ada drinks water'],
    ])
    expect(history[0].closed_at).toBe(history[1].updated_at)
    expect((await product().call(eve, 'PATCH', `/v1/memories/${tail.id}`, { text: 'Ada drinks nothing' })).body).toMatchObject({ version: 4 })
    expect((await product().call(eve, 'DELETE', `/v1/memories/${tail.id}`)).status).toBe(204)
    const left = await exportOf(product(), eve)
    expect(left.filter((line) => line.id === tail.id || line.kind === 'link')).toEqual([])
  })

  test('each open version has one event, and a batch one audit row', async () => {
    const ada = await furnished(product())
    const eve = await product().tenant()
    await importOf(product(), eve, await exportText(product(), ada))
    await product().settle()
    const rows = await product().local.db.app.transaction({ role: 'soma_app', tenantId: eve.tenantId, readOnly: true }, (tx) =>
      tx.query<{ type: string; n: number }>('select type, count(*)::integer as n from memory_events where tenant_id = $1::integer group by type order by type', [eve.tenantId]),
    )
    expect(rows).toEqual([
      { type: 'created', n: 4 },
      { type: 'linked', n: 2 },
      { type: 'updated', n: 3 },
    ])
    const audit = await product().local.db.app.transaction({ role: 'soma_app', tenantId: eve.tenantId, readOnly: true }, (tx) =>
      tx.query<{ action: string; ids: number }>(`select action, jsonb_array_length(coalesce(detail->'ids', detail->'links')) as ids from audit_log where tenant_id = $1::integer`, [
        eve.tenantId,
      ]),
    )
    expect(audit).toEqual([
      { action: 'memory.import', ids: 7 },
      { action: 'memory.import', ids: 2 },
    ])
  })
})
