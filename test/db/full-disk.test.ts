import { beforeAll, expect, test } from 'vitest'
import { describeEngines } from '../support/engines.ts'
import { adminSql, loseWakeUps, rowCounts } from './admin.ts'

/** A disk that is full is simulated by the error that PostgreSQL raises then, from a trigger on the table that grows. */
describeEngines('a database without disk space', (product) => {
  beforeAll(async () => {
    await loseWakeUps(product())
    await adminSql(
      product(),
      `create function disk_full() returns trigger language plpgsql as $fn$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $fn$`,
    )
  })
  const fill = (table: string) => adminSql(product(), `create trigger disk_full before insert on ${table} for each row execute function disk_full()`)
  const makeRoom = (table: string) => adminSql(product(), `drop trigger disk_full on ${table}`)

  test('refuses a store with 503 and the reason, keeps nothing of it, still reads, and takes the next one without a restart', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const { body: before } = await call(ada, 'POST', '/v1/memories', { text: 'the kayak' })
    await fill('postings')
    const refused = await call(ada, 'POST', '/v1/memories', { text: 'too much' }, { 'idempotency-key': 'k' })
    expect([refused.status, refused.body.code, refused.body.detail, refused.headers.get('retry-after')]).toEqual([503, 'unavailable', 'The database has no disk space left.', '2'])
    expect(await rowCounts(product(), ada, ['memories', 'outbox', 'audit_log'])).toEqual({ memories: 1, outbox: 1, audit_log: 1 })
    expect((await call(ada, 'GET', `/v1/memories/${before.id}`)).status).toBe(200)
    expect((await call(ada, 'POST', '/v1/recall', { query: 'kayak' })).body.results).toHaveLength(1)
    await makeRoom('postings')
    expect((await call(ada, 'POST', '/v1/memories', { text: 'too much' }, { 'idempotency-key': 'k' })).status).toBe(201)
  })

  test('an index that cannot grow loses nothing: the events wait, uncounted as failures of theirs, and follow when there is room', async () => {
    const { call, tenant, settle } = product()
    const ada = await tenant()
    await fill('vectors')
    const { body } = await call(ada, 'POST', '/v1/memories', { text: 'the canoe' })
    await settle()
    const state = async () => (await call(ada, 'GET', `/v1/memories/${body.id}`)).body.index_state
    expect(await state()).toBe('pending')
    expect((await call(ada, 'POST', '/v1/recall', { query: 'canoe' })).body.results).toHaveLength(1)
    await makeRoom('vectors')
    await expect
      .poll(
        async () => {
          await adminSql(product(), `update outbox set next_attempt_at = now() where tenant_id = ${ada.tenantId}`)
          await settle()
          return state()
        },
        { timeout: 20_000 },
      )
      .toBe('indexed')
    expect(await adminSql(product(), `select status from outbox where tenant_id = ${ada.tenantId} and status = 'dead'`)).toEqual([])
  })
})
