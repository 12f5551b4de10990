import { beforeAll, expect, test } from 'vitest'
import { type Sql, singly } from '../../shared/db/index.ts'
import { neighbors, path } from '../../shared/link/index.ts'
import type { Ctx } from '../../shared/tenant/index.ts'
import { type Caller, describeEveryEngine } from '../support/engines.ts'
import { type Plan, plansOf, recording, type Statement } from './plans.ts'

const nodes = 10_000
const hubLinks = 5_000

/** Ten thousand memories with four links each, and a hub that leads to half of them and is led to by the others. */
async function load(sql: Sql, tenant: number): Promise<void> {
  const t = `${tenant}::integer`
  await sql.query(`insert into memories (tenant_id, memory_key, id, version, namespace_key, tokenizer, term_count, bytes, importance, created_at, recorded_at, created_xid, namespace, memory_type, text)
    select ${t}, nextval('memory_key_seq'), gen_random_uuid(), 1, 1, 1, 8, 50, 1, now(), now(), pg_current_xact_id(), 'default', 'episodic', 'memory ' || g from generate_series(0, ${nodes}) g`)
  const link = `insert into links (tenant_id, id, from_key, to_key, type, weight, version, created_at, recorded_at)`
  await sql.query(`${link} select ${t}, gen_random_uuid(), m.memory_key, m.memory_key + 1 + (m.memory_key * 7919 * d) % (o.last - m.memory_key), 'related', 0.5 + d, 1, now(), now()
    from memories m cross join generate_series(1, 4) d cross join (select max(x.memory_key) as last from memories x where x.tenant_id = ${t}) o where m.tenant_id = ${t} and m.memory_key < o.last on conflict do nothing`)
  await sql.query(`${link} select ${t}, gen_random_uuid(), case when g.n <= ${hubLinks} then h.key else g.memory_key end, case when g.n <= ${hubLinks} then g.memory_key else h.key end, 'hub', 1 + random(), 1, now(), now()
    from (select m.memory_key, row_number() over (order by m.memory_key desc) as n from memories m where m.tenant_id = ${t}) g
    cross join (select min(x.memory_key) as key from memories x where x.tenant_id = ${t}) h where g.memory_key <> h.key`)
}

describeEveryEngine(
  'the plans of walks, as the product sends them, under row-level security',
  (product) => {
    let caller: Caller
    let ids: string[]

    beforeAll(async () => {
      caller = await product().tenant()
      await product().local.db.owner.maintenance(async (sql) => {
        await load(sql, caller.tenantId)
        await sql.query('vacuum (analyze) links')
        await sql.query('analyze memories')
      })
      const sql = singly(product().local.db.app, { role: 'soma_app', tenantId: caller.tenantId, readOnly: true })
      const rows = await sql.query<{ id: string }>('select m.id from memories m where m.tenant_id = $1::integer order by m.memory_key', [caller.tenantId])
      ids = rows.map((row) => row.id)
    }, 120_000)

    async function statements(run: (ctx: Ctx) => Promise<unknown>): Promise<Statement[]> {
      const { app } = product().local.db
      const sent: Statement[] = []
      await run({ ...product().ctx(caller), app: recording(app, sent) })
      return sent
    }
    async function plans(matching: RegExp, run: (ctx: Ctx) => Promise<unknown>): Promise<Plan[]> {
      const chosen = (await statements(run)).filter(({ text }) => matching.test(text))
      expect(chosen.length).toBeGreaterThan(0)
      return (await Promise.all(chosen.map((one) => plansOf(product().local.db.app, one)))).flat()
    }
    /** Uses these indexes, reads no table whole, sorts no links, and touches one partition of each table. */
    function expectIndexed(found: Plan[], ...indexes: string[]): void {
      for (const plan of found) {
        const about = `${plan.mode}: ${plan.text}`
        for (const index of indexes) expect(plan.indexes, about).toContain(index)
        expect(plan.scanned, about).toEqual([])
        for (const [table, parts] of Object.entries(plan.partitions)) expect(parts, `${table} in ${about}`).toHaveLength(1)
      }
    }

    test('neighbours are read from the index of the weights, in its order, and looked up one by one', async () => {
      const hub = ids[0] as string
      expectIndexed(await plans(/passed_by/, (ctx) => neighbors(ctx, hub, { hops: 2, limit: 5 })), 'links_out', 'memories_pkey')
      expectIndexed(await plans(/passed_by/, (ctx) => neighbors(ctx, hub, { direction: 'in', type: 'hub' })), 'links_in', 'memories_pkey')
      const both = await plans(/passed_by/, (ctx) => neighbors(ctx, hub, { direction: 'both', hops: 3 }))
      for (const plan of both) expectIndexed([plan], plan.indexes.includes('links_out') ? 'links_out' : 'links_in', 'memories_pkey')
      expect(new Set(both.flatMap((plan) => plan.indexes))).toEqual(new Set(['links_out', 'links_in', 'memories_pkey']))
      expectIndexed(await plans(/link_metadata/, (ctx) => neighbors(ctx, hub, {})), 'links_ends', 'memories_pkey')
      for (const plan of await plans(/passed_by/, (ctx) => neighbors(ctx, hub, { limit: 5 }))) expect(plan.text).not.toContain('"Sort"')
    })

    test('a level of a path is read from the index of the weights, from either end', async () => {
      const level = (type?: string) => plans(/f\.least/, (ctx) => path(ctx, { from: ids[1], to: ids.at(-1), ...(type ? { type } : {}) }))
      for (const found of [await level(), await level('related')]) {
        expect(found.filter((plan) => plan.indexes.includes('links_out')).length).toBeGreaterThan(0)
        for (const plan of found) expectIndexed([plan], plan.indexes.includes('links_out') ? 'links_out' : 'links_in', 'memories_pkey')
      }
    })

    test('of a hub no more is read than is answered: five links of five thousand, and a least weight ends the rest', async () => {
      const hub = ids[0] as string
      const [hop] = (await statements((ctx) => neighbors(ctx, hub, { limit: 5 }))).filter(({ text }) => text.includes('passed_by'))
      expect(await rowsRead(hop as Statement)).toBeLessThanOrEqual(7)
      const levels = (await statements((ctx) => path(ctx, { from: hub, to: ids.at(-1) }))).filter(({ text }) => text.includes('f.least'))
      const read = await Promise.all(levels.map(rowsRead))
      expect(read.reduce((sum, one) => sum + one, 0)).toBeLessThan(2 * 2_001 + 500)
    })

    /** How many entries the scans of links gave. */
    async function rowsRead({ text, values, access }: Statement): Promise<number> {
      type Node = { 'Relation Name'?: string; 'Actual Rows': number; 'Actual Loops': number; Plans?: Node[] }
      const rows = await product().local.db.app.statement<{ 'QUERY PLAN': [{ Plan: Node }] }>(access, `explain (analyze, format json) ${text}`, values)
      const of = (node: Node): number =>
        (node['Relation Name']?.startsWith('links_p') ? node['Actual Rows'] * node['Actual Loops'] : 0) + (node.Plans ?? []).reduce((sum, one) => sum + of(one), 0)
      return of((rows[0] as { 'QUERY PLAN': [{ Plan: Node }] })['QUERY PLAN'][0].Plan)
    }
  },
  ['postgres 18', 'postgres 16'],
)
