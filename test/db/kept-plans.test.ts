import { expect, test } from 'vitest'
import { type Database, openPostgres } from '../../shared/db/index.ts'
import { partitionOf } from '../../shared/db/partition.ts'
import { createEmbedder } from '../../shared/embed/index.ts'
import { recall } from '../../shared/recall/index.ts'
import { type Caller, describeEveryEngine } from '../support/engines.ts'

describeEveryEngine('the part of a tenant', (product) => {
  test('is the one that the database says', async () => {
    const ids = [...Array.from({ length: 500 }, (_, i) => i), 2 ** 31 - 1, 2 ** 30, 123_456_789]
    const [row] = await product().local.db.owner.maintenance((sql) =>
      sql.query<{ parts: number[] }>(
        `select array_agg((select i from generate_series(0, 7) i where satisfies_hash_partition('memories'::regclass, 8, i, t.id)) order by t.place) as parts
         from unnest($1::integer[]) with ordinality t (id, place)`,
        [ids],
      ),
    )
    expect(ids.map(partitionOf)).toEqual(row?.parts)
  })
})

describeEveryEngine(
  'plans that a connection keeps',
  (product) => {
    const queries = () => ({ embedder: createEmbedder(product().local.config), onDegraded: () => {}, generation: async () => 1 })
    type Kept = { name: string; generic_plans: string; custom_plans: string }
    const kept = (db: Database, caller: Caller) =>
      db.transaction({ role: 'soma_app', tenantId: caller.tenantId, readOnly: true }, (tx) =>
        tx.query<Kept>(`select name, generic_plans, custom_plans from pg_prepared_statements where name like 'soma\\_%'`),
      )

    /** A caller with three memories, a database of one connection, and what it said of plans it could not keep. */
    async function opened(max = 1) {
      const caller = await product().tenant()
      const items = ['the quokka sleeps', 'a quokka eats leaves', 'nothing of the kind'].map((text, i) => ({ text, user_id: 'u', session_id: i < 2 ? 's' : 't' }))
      await product().call(caller, 'POST', '/v1/memories/bulk', { items })
      await product().settle()
      const lost: Error[] = []
      const db = openPostgres({ url: product().adminUrl as string, max, onError: () => {}, onNoPlans: (error) => lost.push(error) })
      const ctx = { ...product().ctx(caller), app: db }
      const ask = async (mode: string) => (await recall(ctx, queries(), { query: 'quokka leaves', user_id: 'u', mode })).results.map(({ text }) => text)
      return { caller, db, lost, ask }
    }
    const found = ['a quokka eats leaves', 'the quokka sleeps']

    test('are made once for any values, few of them, and answer as before', async () => {
      const { caller, db, ask } = await opened()
      try {
        for (let run = 0; run < 8; run++) expect(await ask('lexical')).toEqual(found)
        const plans = await kept(db, caller)
        expect(plans.length).toBeGreaterThanOrEqual(3)
        expect(plans.length).toBeLessThanOrEqual(6)
        for (const { generic_plans, custom_plans } of plans) expect([Number(generic_plans) > 3, custom_plans]).toEqual([true, '0'])
      } finally {
        await db.close()
      }
    })

    test('are bounded, whatever filters ask', async () => {
      const { caller, db } = await opened()
      try {
        const ctx = { ...product().ctx(caller), app: db }
        for (let n = 0; n < 60; n++) {
          for (let run = 0; run < 3; run++) {
            const filters = { AND: Array.from({ length: n % 30 }, (_, i) => ({ importance: { gte: i / 100 } })) }
            await recall(ctx, queries(), { query: 'quokka', user_id: n < 30 ? 'u' : undefined, mode: 'lexical', ...(n % 30 ? { filters } : {}) })
          }
        }
        const plans = await kept(db, caller)
        expect(plans.length).toBeGreaterThan(30)
        expect(plans.length).toBeLessThanOrEqual(48)
      } finally {
        await db.close()
      }
    })

    test('behind a pooler that loses them, all goes on without', async () => {
      const { caller, db, lost, ask } = await opened()
      try {
        for (let run = 0; run < 5; run++) await ask('hybrid')
        await db.transaction({ role: 'soma_app', tenantId: caller.tenantId }, (tx) => tx.query('deallocate all'))
        expect(await ask('lexical')).toEqual(found)
        expect(lost.map((error) => 'code' in error && error.code)).toEqual(['26000'])
        for (let run = 0; run < 5; run++) expect(await ask('lexical')).toEqual(found)
        expect(await kept(db, caller)).toEqual([])
        expect(lost).toHaveLength(1)
      } finally {
        await db.close()
      }
    })

    test('a migration that changes what plans answer, on more connections than there are attempts, costs nobody an answer, and plans are kept again', async () => {
      const connections = 8
      const { caller, db, lost, ask } = await opened(connections)
      const askAll = () => Promise.all(Array.from({ length: connections }, () => ask('lexical')))
      const alter = (type: string) => product().local.db.owner.maintenance((sql) => sql.query(`alter table memories alter column language type ${type}`))
      try {
        for (let run = 0; run < 5; run++) await askAll()
        await alter('varchar')
        for (let run = 0; run < 10; run++) expect(await ask('lexical')).toEqual(found)
        for (let run = 0; run < 3; run++) expect(await askAll()).toEqual(Array.from({ length: connections }, () => found))
        expect(lost).toEqual([])
        expect((await kept(db, caller)).length).toBeGreaterThanOrEqual(3)
      } finally {
        await alter('text')
        await db.close()
      }
    })
  },
  ['postgres 18', 'postgres 16'],
)
