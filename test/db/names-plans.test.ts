import { beforeAll, expect, test } from 'vitest'
import type { Database } from '../../shared/db/index.ts'
import { hashEmbedder } from '../../shared/embed/index.ts'
import { recall } from '../../shared/recall/index.ts'
import type { Ctx } from '../../shared/tenant/index.ts'
import { listNamespaces, listSessions, listUsers, tenantStats, tenantUsage } from '../../shared/usage/index.ts'
import { type Caller, describeEveryEngine } from '../support/engines.ts'
import { plansOf, recording, type Statement } from './plans.ts'

const scopes = 100_000
const limit = 50
type Node = { 'Node Type': string; 'Actual Rows': number; 'Actual Loops': number; 'Rows Removed by Filter'?: number; 'Rows Removed by Index Recheck'?: number; Plans?: Node[] }

/** The rows that the scans of a statement read when it is carried out, under its own role and tenant; those that a filter dropped too. */
async function rowsRead(db: Database, { text, values, access }: Statement): Promise<number> {
  const [row] = await db.statement<{ 'QUERY PLAN': [{ Plan: Node }] }>(access, `explain (analyze, timing off, format json) ${text}`, values)
  const visit = (node: Node): number => {
    const below = (node.Plans ?? []).reduce((sum, one) => sum + visit(one), 0)
    if (!node['Node Type'].includes('Scan') || node['Node Type'] === 'Subquery Scan') return below
    return below + (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)) * node['Actual Loops']
  }
  return visit((row as { 'QUERY PLAN': [{ Plan: Node }] })['QUERY PLAN'][0].Plan)
}

describeEveryEngine(
  `a page of names among ${scopes} scopes, as soma_app under row-level security`,
  (product) => {
    let caller: Caller
    let single: Caller
    beforeAll(async () => {
      caller = await product().tenant()
      single = await product().tenant()
      await product().local.db.owner.maintenance(async (sql) => {
        const [many, one] = [caller.tenantId, single.tenantId]
        await sql.query(`insert into scopes (tenant_id, namespace, user_id) select ${many}, 'n' || g, null from generate_series(1, ${scopes}) g`)
        await sql.query(`insert into scopes (tenant_id, namespace, user_id) values (${one}, 'default', null)`)
        for (const [tenant, namespace] of [
          [many, 'n7'],
          [one, 'default'],
        ])
          await sql.query(`insert into scopes (tenant_id, namespace, user_id) select ${tenant}, '${namespace}', 'u' || g from generate_series(1, ${scopes}) g`)
        await sql.query('analyze scopes')
        const [{ key }] = (await sql.query(`select scope_key as key from scopes where tenant_id = ${many} and namespace = 'n7' and user_id is null`)) as [{ key: number }]
        await sql.query(`insert into sessions (tenant_id, session_key, namespace_key, user_key, user_id, session_id)
          select u.tenant_id, u.scope_key, ${key}, u.scope_key, u.user_id, 's' || u.scope_key % 1000 from scopes u where u.tenant_id = ${many} and u.user_id is not null`)
        await sql.query(`insert into scope_stats (tenant_id, scope_key, memories, bytes, last_at) select s.tenant_id, s.scope_key, 3, 30, now() from scopes s`)
        await sql.query(`insert into session_stats (tenant_id, session_key, memories, bytes, last_at) select s.tenant_id, s.session_key, 3, 30, now() from sessions s`)
        // memories that will expire some day are no reason to read them
        await sql.query(`insert into memories (tenant_id, memory_key, id, version, namespace_key, tokenizer, term_count, bytes, importance, created_at, recorded_at, created_xid, expires_at, namespace, memory_type, text)
          select t, nextval('memory_key_seq'), gen_random_uuid(), 1, ${key}, 1, 1, 1, 1, now(), now(), pg_current_xact_id(), now() + g * interval '1 hour', 'n7', 'episodic', 'x'
          from generate_series(1, 10000) g, unnest(array[${many}, ${one}]) t`)
        await sql.query(`insert into usage_hours (tenant_id, hour, namespace_key, stores) select t, date_trunc('hour', now(), 'UTC') - g * interval '1 hour', ${key}, 1
          from generate_series(0, 9999) g, unnest(array[${many}, ${one}]) t`)
        await sql.query('vacuum analyze')
      })
      // some rows that are not folded yet
      for (const one of [caller, single]) await product().call(one, 'POST', '/v1/memories', { text: 'x', namespace: 'n7', user_id: 'u77', session_id: 's' })
    }, 120_000)

    async function statementsOf(of: Caller, run: (ctx: Ctx) => Promise<unknown>): Promise<Statement[]> {
      const statements: Statement[] = []
      await run({ ...product().ctx(of), app: recording(product().local.db.app, statements) })
      return statements
    }

    test('the first page and one in the middle read about a page, by the index of their order, whether planned for these values or for any', async () => {
      for (const [list, query, index] of [
        [listNamespaces, {}, 'scopes_namespaces'],
        [listUsers, { namespace: 'n7' }, 'scopes_users'],
        [listSessions, { namespace: 'n7' }, 'sessions_namespace'],
        [listSessions, { namespace: 'n7', user_id: 'u77' }, 'sessions_user'],
      ] as const) {
        let cursor: string | undefined
        for (let page = 0; page < 3; page++) {
          const given = { ...query, limit: String(limit), ...(cursor === undefined ? {} : { cursor }) }
          const statements = await statementsOf(caller, async (ctx) => {
            const answer = await list(ctx, given)
            expect(answer.items.length).toBe(list === listSessions && 'user_id' in query ? 2 : limit)
            cursor = answer.next_cursor ?? undefined
          })
          expect(statements.length).toBeLessThanOrEqual(2)
          for (const statement of statements) {
            expect(await rowsRead(product().local.db.app, statement), statement.text).toBeLessThanOrEqual(3 * limit)
            for (const plan of await plansOf(product().local.db.app, statement)) {
              expect(plan.scanned, plan.text).not.toEqual(expect.arrayContaining([expect.stringMatching(/^(scopes|sessions|scope_stats|session_stats|memories)$/)]))
              if (statement === statements[0]) {
                expect(plan.indexes, plan.text).toContain(index)
                expect(plan.text).not.toContain('"Sort"')
              }
            }
          }
          if (cursor === undefined) break
        }
      }
    })

    test('one namespace and one user are still looked up by their name', async () => {
      const deps = { embedder: hashEmbedder(384), onDegraded: () => {}, generation: async () => 1 }
      for (const query of [{ namespace: 'n7' }, { namespace: 'n7', user_id: 'u77' }]) {
        const [first] = await statementsOf(caller, (ctx) => recall(ctx, deps, { query: 'x', mode: 'lexical', ...query }))
        expect(first?.text).toContain('from scopes')
        expect(await rowsRead(product().local.db.app, first as Statement)).toBeLessThan(30)
      }
    })

    test('stats and usage of a tenant read its namespaces and none of its users', async () => {
      for (const verb of [tenantStats, (ctx: Ctx) => tenantUsage(ctx, {})]) {
        const statements = await statementsOf(single, verb)
        for (const statement of statements) {
          expect(await rowsRead(product().local.db.app, statement), statement.text).toBeLessThan(verb === tenantStats ? 20 : 2 * 32 * 24)
          for (const plan of await plansOf(product().local.db.app, statement))
            expect(
              plan.scanned.filter((table) => table !== 'usage_deltas'),
              plan.text,
            ).toEqual([])
        }
      }
    })
  },
  ['postgres 18', 'postgres 16'],
)
