import { beforeAll, expect, test } from 'vitest'
import { AppError } from '../../shared/problem/index.ts'
import { adminSql, loseWakeUps } from '../db/admin.ts'
import { describeEngines } from '../support/engines.ts'
import { importOf, memory, ndjson, version } from '../support/transfer.ts'
import { describeStores, fetched, operationOf, runOperations, started, storeOf, uploaded } from '../support/transfers.ts'
import { expectProblem } from './checks.ts'

const unknownId = '01900000-0000-7000-8000-000000000000'

describeStores('the rights to exports and imports', (product, kind) => {
  beforeAll(() => loseWakeUps(product()))

  test('an export takes memory:read, one with versions memory:history, for its parts as well; an import memory:write', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    await importOf(product(), ada, [version(1, 1), memory(1, { version: 2 })])
    const reader = { ...ada, key: (await call(ada, 'POST', '/v1/keys', { scopes: ['memory:read'] })).body.key }
    const writer = { ...ada, key: (await call(ada, 'POST', '/v1/keys', { scopes: ['memory:write'] })).body.key }

    expectProblem(await call(reader, 'POST', '/v1/exports', { versions: true }), 'forbidden')
    expectProblem(await call(writer, 'POST', '/v1/exports', {}), 'forbidden')
    expectProblem(await call(reader, 'POST', '/v1/imports', { parts: [{ bytes: 1 }] }), 'forbidden')
    expectProblem(await call(null, 'POST', '/v1/exports', {}), 'unauthenticated')

    const history = await started(product(), ada, { versions: true })
    await runOperations(product())
    expect((await fetched(product(), ada, history)).parts).toHaveLength(1)
    expect((await operationOf(product(), reader, history)).parts).toMatchObject([{ part: 1, url: null, url_expires_at: null }])
    expectProblem(await call(reader, 'GET', `/v1/exports/${history}/parts/1`), 'forbidden')
    expectProblem(await call(writer, 'GET', `/v1/operations/${history}`), 'forbidden')

    // who may only write follows his import; who may only read sees no way to send anything
    const { body: announced } = await call(writer, 'POST', '/v1/imports', { parts: [{ bytes: 3 }] })
    expect((await operationOf(product(), writer, announced.id)).parts[0].url).toEqual(expect.any(String))
    expect((await operationOf(product(), reader, announced.id)).parts[0].url).toBeNull()
    expectProblem(await call(reader, 'POST', `/v1/imports/${announced.id}/start`), 'forbidden')
    expectProblem(await call(reader, 'PUT', `/v1/imports/${announced.id}/parts/1`, '{}\n', { 'content-type': 'application/x-ndjson' }), 'forbidden')
    expectProblem(await call(writer, 'PUT', `/v1/imports/${announced.id}/parts/1`, '{}\n', { 'content-type': 'text/plain' }), 'unsupported_media_type')

    // versions in an import of a key without memory:history are refused line by line, as in POST /v1/import
    const versions = await uploaded(product(), writer, [ndjson([version(2, 1), memory(2, { version: 2 })])])
    await runOperations(product())
    expect((await operationOf(product(), writer, versions)).result).toMatchObject({ imported: 1, versions: 0, errors: [{ line: 1, code: 'forbidden' }] })
  })

  test('a key that was revoked, or a tenant that was suspended, exports and imports nothing more', async () => {
    const { call, tenant } = product()
    for (const change of [
      'update api_keys set revoked_at = now() where tenant_id = $1::integer and scopes = array[$2::text,$3::text]',
      `update tenants set status = case when array[$2::text,$3::text] is not null then 'suspended' end where tenant_id = $1::integer`,
    ]) {
      const ada = await tenant()
      const other = { ...ada, key: (await call(ada, 'POST', '/v1/keys', { scopes: ['memory:read', 'memory:write'] })).body.key }
      await importOf(product(), ada, [memory(1)])
      const out = await started(product(), other, {})
      const back = await uploaded(product(), other, [ndjson([memory(2)])])
      await adminSql(product(), change, [ada.tenantId, 'memory:read', 'memory:write'])
      await runOperations(product())
      const ended = await adminSql(product(), `select operation_id as id, state, problem->>'code' as code from operations where tenant_id = $1::integer order by kind`, [
        ada.tenantId,
      ])
      expect(ended).toEqual([
        { id: out, state: 'failed', code: 'forbidden' },
        { id: back, state: 'failed', code: 'forbidden' },
      ])
      expect(await (await storeOf(product())).list(`transfers/${ada.tenantId}/${out}`)).toEqual([])
      expect(await adminSql(product(), 'select id from memories where tenant_id = $1::integer', [ada.tenantId])).toHaveLength(1)
    }
  })

  test('an import that is announced counts on the limit of calls that store many', async () => {
    const ada = await product().tenant()
    await adminSql(product(), `update tenants set limits = '{"batch_rate":"1/h"}' where tenant_id = $1::integer`, [ada.tenantId])
    const announce = () => product().call(ada, 'POST', '/v1/imports', { parts: [{ bytes: 3 }] })
    const first = await announce()
    expect([first.status, first.headers.get('ratelimit-policy')]).toEqual([202, expect.stringContaining('q=1')])
    expectProblem(await announce(), 'rate_limited')
    // an export stores nothing
    expect((await product().call(ada, 'POST', '/v1/exports', {})).status).toBe(202)
  })

  test('another tenant’s operations and parts are nothing here', async () => {
    const { call, tenant } = product()
    const [ada, eve] = [await tenant(), await tenant()]
    await importOf(product(), ada, [memory(1)])
    const out = await started(product(), ada, {})
    await runOperations(product())
    const { id: back } = (await call(ada, 'POST', '/v1/imports', { parts: [{ bytes: 3 }] })).body
    for (const id of [out, back, unknownId, 'x']) {
      for (const [method, path] of [
        ['GET', `/v1/operations/${id}`],
        ['GET', `/v1/exports/${id}/parts/1`],
        ['PUT', `/v1/imports/${id}/parts/1`],
        ['POST', `/v1/imports/${id}/start`],
      ] as const)
        expectProblem(await call(eve, method, path, method === 'PUT' ? '{}\n' : undefined, { 'content-type': 'application/x-ndjson' }), 'not_found')
    }
    // and neither is an export an import
    expectProblem(await call(ada, 'POST', `/v1/imports/${out}/start`), 'not_found')
    expectProblem(await call(ada, 'GET', `/v1/exports/${back}/parts/1`), 'not_found')
    if (kind === 'files') return
    const [part] = (await operationOf(product(), ada, out)).parts
    const url = new URL(part.url)
    expect(url.searchParams.get('X-Amz-Expires')).toBe('900')
    expect(part.url).not.toContain(ada.key)
    // a URL opens what it was signed for, and nothing else
    url.pathname = url.pathname.replace(out, back)
    expect((await fetch(url)).status).toBe(403)
  })

  test('the same call with the same key begins nothing twice; ten of a kind are under way at most; both are in the audit log', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const key = { 'idempotency-key': 'once' }
    const first = await call(ada, 'POST', '/v1/exports', { links: true }, key)
    const again = await call(ada, 'POST', '/v1/exports', { links: true }, key)
    expect([again.status, again.body.id, again.headers.get('idempotent-replayed')]).toEqual([202, first.body.id, 'true'])
    expectProblem(await call(ada, 'POST', '/v1/exports', {}, key), 'idempotency_conflict')
    for (let n = 1; n < 10; n++) await started(product(), ada, {})
    expectProblem(await call(ada, 'POST', '/v1/exports', {}), 'conflict')
    const { id } = (await call(ada, 'POST', '/v1/imports', { parts: [{ bytes: 3 }] })).body
    await runOperations(product())
    await started(product(), ada, {})
    const log = await adminSql<{ action: string; target: string }>(product(), `select action, target from audit_log where tenant_id = $1::integer order by at, seq`, [ada.tenantId])
    expect(log.filter(({ action }) => action === 'export.start')).toHaveLength(11)
    expect(log.filter(({ action }) => action === 'import.announce')).toEqual([{ action: 'import.announce', target: id }])
    const most = 64 * 1024 * 1024
    expect((await call(ada, 'POST', '/v1/imports', { parts: [{ bytes: 1 }, { bytes: most }] })).status).toBe(202)
    for (const bytes of [0, most + 1]) expectProblem(await call(ada, 'POST', '/v1/imports', { parts: [{ bytes: 1 }, { bytes }] }), 'invalid', '/parts/1/bytes')
    for (const parts of [[], Array.from({ length: 2_001 }, () => ({ bytes: 1 }))]) expectProblem(await call(ada, 'POST', '/v1/imports', { parts }), 'invalid', '/parts')
    expect((await call(ada, 'POST', '/v1/imports', { parts: Array.from({ length: 2_000 }, () => ({ bytes: 1 })) })).body.parts).toHaveLength(2_000)
  })

  test('while the store is away an export waits, and holds up nobody else’s', async () => {
    const { tenant } = product()
    const [ada, eve] = [await tenant(), await tenant()]
    for (const caller of [ada, eve]) await importOf(product(), caller, [memory(1)])
    const [out, other] = [await started(product(), ada, {}), await started(product(), eve, {})]
    const store = await storeOf(product())
    const away = new AppError('unavailable', 'The blob store is away.')
    const half = { ...store, put: (key: string, ...rest: [AsyncIterable<Uint8Array>]) => (key.includes(`/${ada.tenantId}/`) ? Promise.reject(away) : store.put(key, ...rest)) }
    await runOperations(product(), { store: half })
    expect([(await operationOf(product(), ada, out)).state, (await operationOf(product(), eve, other)).state]).toEqual(['running', 'succeeded'])
    // at once it is not tried again
    await runOperations(product())
    expect((await operationOf(product(), ada, out)).state).toBe('running')
    await adminSql(product(), `update operations set lease_expires_at = now() - interval '1 second' where tenant_id = $1::integer`, [ada.tenantId])
    await runOperations(product())
    expect((await operationOf(product(), ada, out)).state).toBe('succeeded')
  })
})

const nowhere = async () => ({ SOMA_DATA_DIR: 'memory://' })
describeEngines(
  'exports and imports where no objects can be kept',
  (product) => {
    test('are refused with a sentence that names the setting; the streams go on', async () => {
      const { call, tenant } = product()
      const ada = await tenant()
      for (const [path, body] of [
        ['/v1/exports', {}],
        ['/v1/imports', { parts: [{ bytes: 3 }] }],
      ] as const) {
        const answer = await call(ada, 'POST', path, body)
        expectProblem(answer, 'unavailable')
        expect(answer.body.detail).toContain('BACKUP_BUCKET')
        expect(answer.headers.get('retry-after')).toBe('300')
      }
      expect((await call(ada, 'GET', '/v1/export')).status).toBe(200)
    })
  },
  undefined,
  nowhere,
)
