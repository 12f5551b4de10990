import { beforeAll, expect, test } from 'vitest'
import { asAdmin, type Caller, describeEngines } from '../support/engines.ts'

/** What would take too long is stopped in the database, and said; nothing of it goes on, or is half there. */
describeEngines(
  'a statement over its deadline',
  (product) => {
    let ada: Caller
    beforeAll(async () => {
      ada = await product().tenant()
      await product().call(ada, 'POST', '/v1/memories', { text: 'the kettle is on', user_id: 'u' })
    })
    const recalled = () => product().call(ada, 'POST', '/v1/recall', { query: 'kettle', user_id: 'u' })
    const stored = () => product().call(ada, 'POST', '/v1/memories', { text: 'and the tea', user_id: 'u' }, { 'idempotency-key': 'tea' })
    const held = async () => (await product().call(ada, 'POST', '/v1/memories/list', { user_id: 'u' })).body.items.length
    const waiting = (sql: { query(text: string): Promise<{ rows: { n: number }[] }> }) =>
      sql.query(`select count(*)::integer as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`).then(({ rows }) => rows[0]?.n)

    for (const [name, run, before, after] of [
      ['a recall', recalled, 1, 1],
      ['a store', stored, 1, 2],
    ] as const)
      test(`${name} is answered 504, its statement is gone, and the next is answered`, async () => {
        await asAdmin(product().adminUrl as string, async (other) => {
          await other.query('begin')
          await other.query('lock table postings in access exclusive mode')
          const { status, body } = await run()
          expect([status, body.code]).toEqual([504, 'timeout'])
          expect(await waiting(other)).toBe(0)
          await other.query('rollback')
        })
        expect(await held()).toBe(before)
        expect((await run()).status).toBeLessThan(300)
        expect(await held()).toBe(after)
      })
  },
  ['postgres 18', 'postgres 16'],
  async () => ({ STATEMENT_TIMEOUT_MS: '400' }),
)
