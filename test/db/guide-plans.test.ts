import { beforeAll, expect, test } from 'vitest'
import { coordsInRange, keywordSearch, memoryAt } from '../../shared/guide/index.ts'
import type { Ctx } from '../../shared/tenant/index.ts'
import { type Caller, describeEveryEngine } from '../support/engines.ts'
import { type Plan, plansOf, recording, type Statement } from './plans.ts'

// one in ten has a coord: where all had, reading the table whole would be as good
const count = 60_000

describeEveryEngine(
  'the plans of the guides’ searches, under row-level security',
  (product) => {
    let caller: Caller

    beforeAll(async () => {
      caller = await product().tenant()
      const t = `${caller.tenantId}::integer`
      await product().local.db.owner.maintenance(async (sql) => {
        await sql.query(`insert into scopes (tenant_id, namespace, user_id) values (${t}, 'default', null)`)
        await sql.query(`insert into memories (tenant_id, memory_key, id, version, namespace_key, tokenizer, term_count, bytes, importance, created_at, recorded_at, created_xid, namespace, coord, memory_type, text)
          select ${t}, nextval('memory_key_seq'), gen_random_uuid(), 1, n.scope_key, 1, 8, 50, 1, now() - g * interval '1 minute', now(), pg_current_xact_id(), 'default', case when g % 10 = 0 then g || ',0' end, 'episodic', 'w' || g % 2000
          from generate_series(1, ${count}) g join scopes n on n.tenant_id = ${t}`)
        await sql.query(
          `insert into postings (tenant_id, namespace_key, memory_key, tf, len, term) select ${t}, m.namespace_key, m.memory_key, 1, 8, m.text from memories m where m.tenant_id = ${t}`,
        )
        await sql.query('analyze')
      })
    }, 120_000)

    async function plans(matching: RegExp, run: (ctx: Ctx) => Promise<unknown>): Promise<Plan[]> {
      const { app } = product().local.db
      const statements: Statement[] = []
      await run({ ...product().ctx(caller), app: recording(app, statements) })
      const chosen = statements.filter(({ text }) => matching.test(text))
      expect(chosen.length, statements.map(({ text }) => text).join('\n\n')).toBeGreaterThan(0)
      return (await Promise.all(chosen.slice(0, 3).map((statement) => plansOf(app, statement)))).flat()
    }
    const expectIndexed = (found: Plan[], index: string) => {
      for (const plan of found) {
        expect(plan.indexes, plan.text).toContain(index)
        expect(
          plan.scanned.filter((table) => ['memories', 'postings'].includes(table)),
          plan.text,
        ).toEqual([])
        for (const parts of Object.values(plan.partitions)) expect(parts, plan.text).toHaveLength(1)
      }
    }

    test('a keyword is looked up in postings_term, and only its candidates are read, by their keys', async () => {
      const search = (ctx: Ctx) => keywordSearch(ctx, { term: 'w17' })
      expectIndexed(await plans(/from postings p/, search), 'postings_term')
      expectIndexed(await plans(/select m\.memory_key, m\.text from memories m/, search), 'memories_pkey')
    })

    test('where no word is certain, the newest memories are read in the order of memories_namespace, a page at a time', async () => {
      const found = await plans(/order by m\.created_at desc/, (ctx) => keywordSearch(ctx, { term: '???' }))
      expectIndexed(found, 'memories_namespace')
      for (const plan of found) expect(plan.text).not.toContain('"Sort"')
    })

    test('a range reads its window through memories_coord, and a coord is found by it', async () => {
      expectIndexed(await plans(/from memories m/, (ctx) => coordsInRange(ctx, { min: '5,0', max: '9,0' })), 'memories_coord')
      expectIndexed(await plans(/from memories m/, (ctx) => memoryAt(ctx, '70,0')), 'memories_coord')
    })
  },
  ['postgres 18', 'postgres 16'],
)
