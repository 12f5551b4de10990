import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RunningPostgres } from '../../local/services/postgres.ts'
import { runProcess } from '../http/processes.ts'
import { openDurable } from '../support/durable.ts'
import type { Caller, Product } from '../support/engines.ts'
import { requireService } from '../support/services.ts'
import { end, kill, type Server, startServer, storedTexts } from './journal-server.ts'

const token = 'a-token-of-the-tenant-default'
const idempotency = (key: string) => ({ 'Idempotency-Key': key })

describe.skipIf(!requireService('POSTGRES_URL'))('the journal of appends', { timeout: 120_000 }, () => {
  let postgres: RunningPostgres
  let product: Product
  let server: Server
  let journal: string
  let ada: Caller
  const ending: (() => Promise<unknown>)[] = []
  beforeAll(async () => {
    const opened = await openDurable()
    postgres = opened.postgres
    product = opened.product
    ending.push(opened.close)
    const directory = await mkdtemp(join(tmpdir(), 'soma-journal-'))
    ending.push(() => rm(directory, { recursive: true, force: true }))
    journal = join(directory, 'journal')
    server = await startServer(product, journal, { SOMA_API_TOKEN: token })
    ending.push(() => kill(server))
    ada = await product.tenant()
  }, 120_000)
  afterAll(async () => {
    for (const close of ending.reverse()) await close()
  })

  const stored = async (caller: Caller, body: unknown, headers = {}) => server.call(caller.key, 'POST', '/v1/memories', body, headers)
  const operation = (caller: Caller, id: string) => server.call(caller.key, 'GET', `/v1/operations/${id}`)
  const ended = (caller: Caller, id: string) => expect.poll(async () => (await operation(caller, id)).body?.state, { timeout: 60_000, interval: 200 }).toMatch(/succeeded|failed/)

  test('while Postgres is down a plain append is kept and answered 202, everything else is refused; afterwards it is stored once', async () => {
    expect((await stored(ada, { text: 'before' })).status).toBe(201)
    const stranger = await product.tenant()
    const { body: made } = await server.call(ada.key, 'POST', '/v1/keys', { scopes: ['memory:read', 'memory:write'], reach: { user_id: 'ada' } })
    const limited = { ...ada, key: made.key }
    expect((await stored(limited, { text: 'within its reach', user_id: 'ada' })).status).toBe(201)
    await postgres.down('fast')
    for (const place of [{}, { user_id: 'eve' }]) expect((await stored(limited, { text: 'beyond its reach', ...place })).status).toBe(403)
    const first = await stored(ada, { text: 'Ada prefers tea', ttl_seconds: 3600 }, idempotency('k1'))
    expect([first.status, first.body]).toEqual([202, { operation: expect.any(String) }])
    const again = await stored(ada, { text: 'Ada prefers tea', ttl_seconds: 3600 }, idempotency('k1'))
    expect([again.status, again.body, again.headers.get('idempotent-replayed')]).toEqual([202, first.body, 'true'])
    const other = await stored(ada, { text: 'something else' }, idempotency('k1'))
    expect([other.status, other.body.code]).toEqual([409, 'idempotency_conflict'])
    const keyless = await stored(ada, { payload: { said: 'without a key' } })
    expect(keyless.status).toBe(202)
    expect((await operation(ada, first.body.operation)).body).toMatchObject({ kind: 'store', state: 'pending', progress: 0, result: null, problem: null })
    for (const [status, body, headers] of [
      [422, { text: '' }, {}],
      [422, { text: 'x', unknown: 1 }, {}],
      [503, { text: 'x', coord: '1,2' }, {}],
      [503, { text: 'x', supersedes: '01a1fd1a-0000-7000-8000-000000000001' }, {}],
      [503, { text: 'x' }, { 'If-Match': '"1"' }],
    ] as const)
      expect((await stored(ada, body, headers)).status, JSON.stringify([body, headers])).toBe(status)
    expect((await server.call(ada.key, 'POST', '/v1/memories/bulk', { items: [{ text: 'x' }] })).status).toBe(503)
    expect((await server.call(ada.key, 'POST', '/v1/recall', { query: 'tea' })).status).toBe(503)
    // a key that was never seen here cannot be checked; a wrong secret of one that was is wrong
    expect((await stored(stranger, { text: 'x' })).status).toBe(503)
    expect((await server.call(`${ada.key.slice(0, -1)}${ada.key.endsWith('0') ? '1' : '0'}`, 'POST', '/v1/memories', { text: 'x' })).status).toBe(401)
    expect((await server.call(token, 'POST', '/v1/memories', { text: 'by the token' })).status).toBe(202)
    // another tenant's operation is not there
    expect((await server.call(token, 'GET', `/v1/operations/${first.body.operation}`)).status).toBe(503)

    await postgres.up()
    // a retry after the recovery is the same memory, whoever comes first
    const retried = await stored(ada, { text: 'Ada prefers tea', ttl_seconds: 3600 }, idempotency('k1'))
    await ended(ada, first.body.operation)
    await ended(ada, keyless.body.operation)
    const done = (await operation(ada, first.body.operation)).body
    expect(done).toMatchObject({ state: 'succeeded', progress: 1, problem: null, result: { version: 1 } })
    if (retried.status === 201) expect(retried.body.id).toBe(done.result.id)
    const texts = await storedTexts(product, ada.tenantId)
    expect([...texts].map(([text, { ids }]) => [text, ids.length]).sort()).toEqual([
      ['Ada prefers tea', 1],
      ['before', 1],
      ['within its reach', 1],
      ['without a key', 1],
    ])
    const { body } = await server.call(ada.key, 'POST', '/v1/recall', { query: 'tea' })
    expect(body.results[0].id).toBe(done.result.id)
    // what is finished is shipped, without what was stored, and gone here
    await expect.poll(async () => (await readdir(journal)).filter((name) => name !== 'lock'), { timeout: 20_000 }).toEqual([])
    const shipped = await runProcess(
      ['-e', `const fs=require('fs');for(const f of fs.globSync(process.argv[1]+'/backups/journal/*/*'))console.log(fs.readFileSync(f,'utf8'))`, `${journal}-data`],
      {},
    )
    expect(shipped.stdout).toContain(first.body.operation)
    expect(shipped.stdout).not.toContain('Ada prefers tea')
  })

  test('what cannot be stored ends failed with the reason, stays for the operator, and can be stored by hand', async () => {
    const bob = await product.tenant()
    expect((await stored(bob, { text: 'seen' })).status).toBe(201)
    await postgres.down('immediate')
    const kept = await stored(bob, { text: 'of a key that is revoked' })
    expect(kept.status).toBe(202)
    await kill(server)
    await postgres.up()
    const set = (change: string) => product.local.db.owner.maintenance((sql) => sql.query(`update api_keys set revoked_at = ${change} where tenant_id = $1`, [bob.tenantId]))
    await set('now()')
    server = await startServer(product, journal, { SOMA_API_TOKEN: token })
    const row = async () =>
      (
        await product.local.db.owner.maintenance((sql) =>
          sql.query<{ state: string; problem: unknown }>('select state, problem from operations where operation_id = $1', [kept.body.operation]),
        )
      )[0]
    await expect.poll(row, { timeout: 30_000 }).toMatchObject({ state: 'failed', problem: { code: 'forbidden', detail: expect.stringContaining('revoked') } })
    await end(server)
    const soma = async (...args: string[]) => {
      const { POSTGRES_URL, POSTGRES_MIGRATION_URL, SIGNING_KEY } = product.local.config as unknown as Record<string, string>
      const env = args[0] === 'replay' ? ({ POSTGRES_URL, POSTGRES_MIGRATION_URL, SIGNING_KEY } as Record<string, string>) : ({} as Record<string, string>)
      const { code, stdout, stderr } = await runProcess(['bin/soma.ts', 'journal', ...args, '--dir', journal, '--json'], env)
      return { code, stderr, json: stdout ? JSON.parse(stdout) : undefined }
    }
    const list = (await soma('list')).json
    expect(list).toMatchObject({
      pending: 0,
      failed: 1,
      damaged: 0,
      items: [{ operation: kept.body.operation, state: 'failed', tenant: bob.tenant, problem: { code: 'forbidden' } }],
    })
    expect((await soma('show', kept.body.operation)).json).not.toHaveProperty('body')
    expect((await soma('show', kept.body.operation, '--value')).json.body).toEqual({ text: 'of a key that is revoked' })
    expect(await soma('replay', '--failed')).toMatchObject({ code: 1, json: { stored: 0, failed: 1 } })
    await set('null')
    expect(await soma('replay', '--failed')).toMatchObject({ code: 0, json: { stored: 1, failed: 0 } })
    expect(await soma('replay', '--failed')).toMatchObject({ code: 0, json: { stored: 0, failed: 0 } })
    expect(await row()).toMatchObject({ state: 'succeeded', problem: null })
    expect((await storedTexts(product, bob.tenantId)).get('of a key that is revoked')?.ids).toHaveLength(1)
    server = await startServer(product, journal, { SOMA_API_TOKEN: token })
  })

  test('a quota holds for it as for any store, and holds up nobody else', async () => {
    const carol = await product.tenant()
    expect((await stored(carol, { text: 'the only one' })).status).toBe(201)
    expect((await stored(ada, { text: 'seen again' })).status).toBe(201)
    await product.local.db.owner.maintenance((sql) => sql.query(`update tenants set limits = '{"memories":1}' where tenant_id = $1`, [carol.tenantId]))
    await postgres.down('fast')
    const [beyond, other] = [await stored(carol, { text: 'one too many' }), await stored(ada, { text: 'after it' })]
    expect([beyond.status, other.status]).toEqual([202, 202])
    await postgres.up()
    await ended(carol, beyond.body.operation)
    await ended(ada, other.body.operation)
    expect((await operation(carol, beyond.body.operation)).body).toMatchObject({ state: 'failed', result: null, problem: { code: 'budget_exhausted' } })
    expect((await operation(ada, other.body.operation)).body).toMatchObject({ state: 'succeeded' })
    expect([...(await storedTexts(product, carol.tenantId)).keys()]).toEqual(['the only one'])
  })
})
