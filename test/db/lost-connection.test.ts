import { expect, test } from 'vitest'
import { asAdmin, describeEngines } from '../support/engines.ts'

describeEngines(
  'a connection that the database ends',
  (product) => {
    test('during a query refuses that query only: the process goes on, and the next one has a connection', async () => {
      const { adminUrl, local } = product()
      const access = { role: 'soma_app', tenantId: 1 } as const
      // an error event that nobody listens to would fail this run, as it would end a server
      const cut = [local.db.app.transaction(access, (tx) => tx.query('select pg_sleep(20)')), local.db.app.statement(access, 'select pg_sleep(20)')].map((query) =>
        expect(query).rejects.toThrow(),
      )
      await asAdmin(adminUrl as string, async (admin) => {
        const asleep = () =>
          admin.query(`select pid from pg_stat_activity where datname = current_database() and query like '%pg_sleep%' and pid <> pg_backend_pid() and wait_event = 'PgSleep'`)
        await expect.poll(async () => (await asleep()).rowCount, { timeout: 10_000 }).toBe(2)
        for (const { pid } of (await asleep()).rows) await admin.query('select pg_terminate_backend($1::integer)', [pid])
      })
      await Promise.all(cut)
      expect(await local.db.app.statement(access, 'select 1 as one')).toEqual([{ one: 1 }])
    })
  },
  ['postgres 18', 'postgres 16'],
)
