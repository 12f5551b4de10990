import { expect, test } from 'vitest'
import { operations } from '../../shared/http/index.ts'
import { createOperation } from '../../shared/operation/index.ts'
import { type Answer, type Caller, describeEngines } from '../support/engines.ts'
import { inFiles } from '../support/transfers.ts'
import { expectProblem, tenantTables } from './checks.ts'

/** The same memories for everybody but for a word that only its tenant may ever read. */
const plant = (canary: string) => ({
  items: Array.from({ length: 6 }, (_, i) => ({
    text: `The red fox jumps over the river ${i} ${canary}`,
    user_id: 'u',
    session_id: 's',
    coord: `${i},0`,
    tags: ['fox'],
    metadata: { place: 'river', secret: canary },
    payload: { note: canary, place: 'river' },
    idempotency_key: `key-${i}`,
  })),
})
type Home = { caller: Caller; canary: string; ids: string[]; cursor: string; historyId: string; keyId: string; linkId: string }

describeEngines(
  'two tenants with the same content',
  (product) => {
    const call = (caller: Caller, method: string, path: string, body?: unknown, headers?: Record<string, string>) => product().call(caller, method, path, body, headers)

    async function home(canary: string): Promise<Home> {
      const caller = await product().tenant()
      const stored = await call(caller, 'POST', '/v1/memories/bulk', plant(canary))
      expect(stored.body, stored.text).toMatchObject({ created: 6 })
      const ids = stored.body.results.map((one: { id: string }) => one.id)
      await call(caller, 'PATCH', `/v1/memories/${ids[5]}`, { importance: 3 })
      const forgotten = await call(caller, 'POST', '/v1/memories', { text: `forgotten ${canary}` })
      await call(caller, 'DELETE', `/v1/memories/${forgotten.body.id}`)
      const { body: link } = await call(caller, 'POST', '/v1/links', { from: ids[2], to: ids[3], type: 'next', metadata: { secret: canary } })
      const { body: page } = await call(caller, 'POST', '/v1/memories/list', { limit: 2, user_id: 'u' })
      const { body: key } = await call(caller, 'POST', '/v1/keys', { name: canary })
      await product().settle()
      return { caller, canary, ids, cursor: page.next_cursor, historyId: forgotten.body.id, keyId: key.id, linkId: link.id }
    }

    test('no operation with the other’s ids, links, coords, cursors, keys, filters or successors shows or changes a byte of it', async () => {
      const ada = await home('canary-of-ada-7f3k')
      const eve = await home('canary-of-eve-9q2x')
      const operationId = await product().local.db.app.transaction({ role: 'soma_app', tenantId: ada.caller.tenantId }, (tx) =>
        createOperation(tx, product().ctx(ada.caller), 'forget', { keys: [], versions: [] }),
      )
      const exportId = (await call(ada.caller, 'POST', '/v1/exports', { all_namespaces: true })).body.id
      const importId = (await call(ada.caller, 'POST', '/v1/imports', { parts: [{ bytes: 3 }] })).body.id
      await product().local.runJob('run-operations')
      const before = await everything(ada)
      const seen = new Set<string>()
      const answers: Answer[] = []
      const attempt = async (method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer> => {
        const operation = operations.find((one) => one.method === method && new RegExp(`^${one.path.replace(/:\w+/g, '[^/]+')}$`).test(path.split('?')[0] as string))
        if (operation) seen.add(operation.id)
        const answer = await call(eve.caller, method, path, body, headers)
        answers.push(answer)
        return answer
      }
      const { ids, canary, cursor, historyId, keyId, linkId } = ada
      for (const id of [...ids, historyId]) {
        expectProblem(await attempt('GET', `/v1/memories/${id}`), 'not_found')
        expectProblem(await attempt('GET', `/v1/memories/${id}/history`), 'not_found')
        expectProblem(await attempt('PATCH', `/v1/memories/${id}`, { text: 'mine now' }), 'not_found')
        expectProblem(await attempt('DELETE', `/v1/memories/${id}`), 'not_found')
        expectProblem(await attempt('DELETE', `/v1/memories/${id}`, undefined, { 'if-match': '"1"' }), 'not_found')
        expectProblem(await attempt('POST', '/v1/memories', { text: 'successor', supersedes: id }), 'invalid', '/supersedes')
        expectProblem(await attempt('POST', '/v1/memories/bulk', { items: [{ text: 'successor', supersedes: id }] }), 'invalid', '/items/0/supersedes')
        expect((await attempt('POST', '/v1/memories/list', { filters: { id } })).body.items).toEqual([])
        expectProblem(await attempt('GET', `/v1/memories/${id}/neighbors?direction=both&hops=3`), 'not_found')
        expectProblem(await attempt('POST', '/v1/links', { from: id, to: eve.ids[0] }), 'invalid', '/from')
        expectProblem(await attempt('POST', '/v1/links', { from: eve.ids[0], to: id }), 'invalid', '/to')
        expectProblem(await attempt('GET', `/v1/paths?from=${eve.ids[2]}&to=${id}`), 'not_found', '/to')
        expectProblem(await attempt('GET', `/v1/paths?from=${id}&to=${eve.ids[2]}`), 'not_found', '/from')
      }
      for (const id of [linkId, eve.ids[2]]) expectProblem(await attempt('DELETE', `/v1/links/${id}`), 'not_found')
      // the keys of memories are numbers that tenants do not share, and a walk never leaves its tenant
      expect((await attempt('GET', `/v1/memories/${eve.ids[2]}/neighbors?direction=both&hops=3`)).body.items.map((one: { memory: { id: string } }) => one.memory.id)).toEqual([
        eve.ids[3],
      ])
      expect((await attempt('GET', `/v1/paths?from=${eve.ids[2]}&to=${eve.ids[3]}`)).body.cost).toBe(1)
      expectProblem(await attempt('POST', '/v1/memories/list', { limit: 2, user_id: 'u', cursor }), 'invalid', '/cursor')
      expectProblem(await attempt('DELETE', `/v1/keys/${keyId}`), 'not_found')
      expectProblem(await attempt('POST', `/v1/keys/${keyId}/rotate`, {}), 'not_found')
      expectProblem(await attempt('GET', `/v1/operations/${operationId}`), 'not_found')
      expect((await attempt('POST', '/v1/memories/forget', { filters: { id: { in: ids } } })).body).toMatchObject({ matched: 0 })
      const { confirm } = (await call(ada.caller, 'POST', '/v1/memories/forget', { user_id: 'u' })).body
      expectProblem(await attempt('POST', '/v1/memories/forget', { user_id: 'u', confirm }), 'invalid', '/confirm')
      for (const filters of [
        { text: { contains: 'canary' } },
        { 'metadata.secret': { ne: 'x' } },
        { NOT: { 'payload.note': eve.canary } },
        { OR: [{ tags: { contains: 'fox' } }, { 'metadata.secret': canary }] },
      ]) {
        await attempt('POST', '/v1/memories/list', { filters, limit: 500 })
        await attempt('POST', '/v1/recall', { query: `red fox ${canary}`, filters, top_k: 100, explain: true })
      }
      for (const scope of [{}, { user_id: 'u' }, { session_id: 's' }]) {
        for (const mode of ['hybrid', 'lexical', 'vector']) await attempt('POST', '/v1/recall', { query: `red fox river ${canary}`, mode, top_k: 100, ...scope })
      }
      await attempt('POST', '/recall', { query: canary, top_k: 100 })
      await attempt('GET', `/recall?query=${canary}&top_k=100`)
      await attempt('POST', '/recall_batch', { queries: [canary, 'red fox'], top_k: 100 })
      for (const path of ['/recall_with_scores', '/hybrid_recall_with_scores']) await attempt('POST', path, { query: 'red fox', terms: [canary], top_k: 100 })
      await attempt('POST', '/recall_with_context', { query: 'red fox', context: { secret: canary, user_id: 'u' }, top_k: 100 })
      for (const term of [canary, 'canary', 'of']) await attempt('POST', '/keyword_search', { term, exact: false, top_k: 100 })
      await attempt('POST', '/memories/search', { query: `red fox ${canary}`, top_k: 100 })
      await attempt('GET', `/memories/search?query=${canary}&top_k=100`)
      await attempt('GET', '/range?min=-100,-100&max=100,100')
      await attempt('GET', '/memories/0,0')
      await attempt('POST', '/link', { from_coord: '2,0', to_coord: '3,0' })
      await attempt('GET', '/neighbors?coord=2,0')
      await attempt('GET', '/shortest_path?frm=2,0&to=3,0')
      await attempt('GET', '/v1/keys')
      expect((await attempt('GET', '/v1/audit?limit=500')).text).not.toContain(ada.caller.tenant)
      expectProblem(await attempt('GET', `/v1/audit?tenant=${ada.caller.tenant}`), 'forbidden')
      expectProblem(await attempt('GET', `/v1/export?cursor=${ids[0]}`), 'invalid', '/cursor')
      await attempt('GET', '/v1/export?all_namespaces=true&versions=true&links=true&vectors=true')
      // an id of the other's is nothing here: a link to it has no end
      const line = { id: '01890000-0000-7000-8000-00000000eeee', text: 'from a file' }
      const lines = [line, { kind: 'link', id: '01890000-0000-7000-8000-00000000eeef', from: line.id, to: ids[0] }].map((one) => `${JSON.stringify(one)}\n`).join('')
      const imported = await attempt('POST', '/v1/import', lines, { 'content-type': 'application/x-ndjson' })
      expect(imported.body).toMatchObject({ imported: 1, links: 0, failed: 1 })
      await attempt('DELETE', `/v1/memories/${line.id}`)
      for (const id of [operationId, exportId, importId]) {
        expectProblem(await attempt('GET', `/v1/operations/${id}`), 'not_found')
        expectProblem(await attempt('GET', `/v1/exports/${id}/parts/1`), 'not_found')
        expectProblem(await attempt('PUT', `/v1/imports/${id}/parts/1`, '{}\n', { 'content-type': 'application/x-ndjson' }), 'not_found')
        expectProblem(await attempt('POST', `/v1/imports/${id}/start`), 'not_found')
      }
      expectProblem(await attempt('POST', '/v1/exports', { cursor: ids[0] }), 'invalid', '/cursor')
      const { body: exported } = await attempt('POST', '/v1/exports', { all_namespaces: true, versions: true, links: true, vectors: true })
      await product().local.runJob('run-operations')
      expect((await attempt('GET', `/v1/exports/${exported.id}/parts/1`)).text).toContain(eve.canary)
      const { body: sent } = await attempt('POST', '/v1/imports', { parts: [{ bytes: 3 }] })
      await attempt('PUT', `/v1/imports/${sent.id}/parts/1`, '{}\n', { 'content-type': 'application/x-ndjson' })
      await attempt('POST', `/v1/imports/${sent.id}/start`)
      await product().local.runJob('run-operations')
      for (const header of [ada.caller.tenant, 'default', 'system', '']) expectProblem(await attempt('POST', '/v1/memories/list', {}, { 'x-tenant-id': header }), 'forbidden')
      const rows = (await call(ada.caller, 'GET', '/v1/outbox?limit=500')).body.items.map((one: { id: string }) => one.id)
      expect(rows.length).toBeGreaterThan(0)
      expect((await attempt('POST', '/v1/outbox/replay', { ids: rows, status: 'sent' })).body).toEqual({ replayed: 0, skipped: rows.length })
      expect((await attempt('POST', '/v1/outbox/purge', { ids: rows, reason: 'not mine' })).body).toEqual({ purged: 0, skipped: rows.length })
      for (const path of ['/v1/outbox', '/v1/outbox/summary']) {
        expect((await attempt('GET', path)).text).not.toContain(ada.caller.tenant)
        expectProblem(await attempt('GET', `${path}?tenant=${ada.caller.tenant}`), 'forbidden')
      }
      for (const [method, path, body] of [
        ['GET', '/v1/tenants'],
        ...(['backups', 'drills'] as const).flatMap((runs): [string, string][] => [
          ['GET', `/v1/${runs}`],
          ['POST', `/v1/${runs}`],
          ['GET', `/v1/${runs}/${operationId}`],
        ]),
        ['POST', '/v1/tenants', { name: 'eves-own' }],
        ['PATCH', `/v1/tenants/${ada.caller.tenant}`, { status: 'suspended' }],
      ] as const)
        expectProblem(await attempt(method, path, body), 'forbidden')
      // the same coords and the same idempotency keys are hers, not the other's
      const own = await attempt('POST', '/store', { coord: '0,0', payload: { note: 'eve' } }, { 'idempotency-key': 'key-0x' })
      expect(own.body).toMatchObject({ ok: true, id: eve.ids[0], version: 2 })
      expect((await attempt('POST', '/store_bulk', { items: [{ coord: '1,0', payload: { note: 'eve' } }] })).body.ids).toEqual([eve.ids[1]])
      expect((await attempt('POST', '/v1/memories/bulk', plant(eve.canary))).body.results.map((one: { id: string }) => one.id)).toEqual(eve.ids)
      expect((await attempt('POST', '/memories', { coord: '7,0', payload: { note: 'eve' } })).body).toMatchObject({ version: 1 })
      expect((await attempt('DELETE', '/memories/7,0')).body).toMatchObject({ deleted: true })
      expect((await attempt('GET', '/stats')).body).toMatchObject({ total_memories: 6 })
      expect((await attempt('GET', '/v1/namespaces')).body.items).toMatchObject([{ namespace: 'default', memories: 6 }])
      expect((await attempt('GET', '/v1/users')).body.items).toMatchObject([{ user_id: 'u', memories: 4 }])
      expect((await attempt('GET', '/v1/sessions')).body.items).toMatchObject([{ session_id: 's', user_id: 'u', memories: 4 }])
      expectProblem(await attempt('GET', `/v1/users?limit=1&cursor=${cursor}`), 'invalid', '/cursor')
      expect((await attempt('GET', '/v1/usage')).body.totals).toMatchObject({ memories: 6 })
      await attempt('POST', '/v1/keys', { name: 'mine' })
      for (const path of ['/healthz', '/readyz', '/health', '/metrics', '/openapi.json', '/docs']) await attempt('GET', path)

      for (const answer of answers) {
        const refusal = answer.status >= 400
        // a query is hers to send: only what comes back from storage counts
        expect(answer.text, answer.text.slice(0, 300)).not.toContain(canary)
        for (const id of ada.ids) if (!refusal) expect(answer.text).not.toContain(id)
      }
      expect(operations.filter((operation) => !seen.has(operation.id)).map((operation) => operation.id)).toEqual([])
      await product().settle()
      expect(await everything(ada)).toEqual(before)
    })

    /** All that a tenant can read of itself, through the product and as rows. */
    async function everything({ caller, ids, historyId }: Home): Promise<unknown> {
      const listed = (await call(caller, 'POST', '/v1/memories/list', { limit: 500, order_by: 'created_at asc' })).body.items
      const histories = await Promise.all([...ids, historyId].map(async (id) => (await call(caller, 'GET', `/v1/memories/${id}/history`)).body.items))
      const keys = (await call(caller, 'GET', '/v1/keys')).body.items
      const recalled = (await call(caller, 'POST', '/v1/recall', { query: 'red fox', top_k: 100 })).body.results
      const names = await Promise.all(['namespaces', 'users', 'sessions'].map(async (kind) => (await call(caller, 'GET', `/v1/${kind}`)).body.items))
      const counts: Record<string, unknown> = {}
      // the recall above is one of its own, and counted
      for (const table of (await tenantTables(product())).filter((name) => !name.startsWith('usage_'))) {
        counts[table] = await product().local.db.owner.maintenance((sql) => sql.query(`select count(*) from ${table} where tenant_id = ${caller.tenantId}`))
      }
      const linked = (await call(caller, 'GET', `/v1/memories/${ids[2]}/neighbors`)).body.items
      return { listed, histories, keys, recalled, linked, names, stats: (await call(caller, 'GET', '/stats')).body, counts }
    }

    test('recall of the same words gives each tenant the same scores, whatever the other stores', async () => {
      const ada = await home('first')
      const query = { query: 'which fox jumps over a river', top_k: 100, user_id: 'u' }
      const alone = (await call(ada.caller, 'POST', '/v1/recall', query)).body.results.map((one: { score: number }) => one.score)
      const eve = await product().tenant()
      await call(eve, 'POST', '/v1/memories/bulk', { items: Array.from({ length: 300 }, () => ({ text: 'fox fox fox jumps river', user_id: 'u' })) })
      await product().settle()
      expect((await call(ada.caller, 'POST', '/v1/recall', query)).body.results.map((one: { score: number }) => one.score)).toEqual(alone)
    })
  },
  undefined,
  inFiles,
)
