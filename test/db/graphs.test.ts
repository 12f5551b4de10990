import { beforeAll, expect, test } from 'vitest'
import { type Database, singly } from '../../shared/db/index.ts'
import { createEmbedder } from '../../shared/embed/index.ts'
import { buildAnn, coverOf, readGraphs, vectorsIn } from '../../shared/vector/index.ts'
import { type Caller, describeEveryEngine } from '../support/engines.ts'
import { adminSql, loseWakeUps } from './admin.ts'

const large = 20_000
const sizes = { least: 12, growth: 3, most: 1_000 }

/** A scope that counts as large, of few memories: what its graphs hold together is what an exact comparison finds. */
describeEveryEngine(
  'the graphs of a large scope',
  (product) => {
    let ada: Caller
    let place: { tenantId: number; namespaceKey: number; modelKey: number }
    let stored = 0
    const ids: string[] = []
    const text = (i: number) => `note ${i}: the ${['kettle', 'ferry', 'cellar', 'orchard', 'lantern'][i % 5]} of ${['Lund', 'Porto', 'Graz'][i % 3]} on day ${(i * 37) % 101}`
    const questions = ['kettle of Lund', 'the ferry on day 12', 'lantern', 'note 3 orchard of Graz']

    async function store(count: number): Promise<void> {
      // another namespace has keys in between
      const items = Array.from({ length: count }, (_, i) => [
        { text: text(stored + i), user_id: `u${i % 3}`, metadata: { kind: (stored + i) % 2 } },
        { text: text(stored + i), namespace: 'beside' },
      ]).flat()
      stored += count
      const { body } = await product().call(ada, 'POST', '/v1/memories/bulk', { items })
      ids.push(...body.results.filter((_: unknown, i: number) => i % 2 === 0).map((one: { id: string }) => one.id))
      await settle()
    }
    async function settle(): Promise<void> {
      await product().settle()
      await adminSql(product(), `update scope_stats set memories = ${large} where tenant_id = $1::integer and scope_key = $2::integer`, [place.tenantId, place.namespaceKey])
    }
    const build = (more: Partial<typeof sizes> = {}, db: { worker: Database; owner: Database } = product().local.db) =>
      buildAnn(db, large, new AbortController().signal, { ...sizes, ...more }).then(({ done }) => done)
    const graphs = async () => (await product().local.db.owner.maintenance((sql) => readGraphs(sql, place))).sort((a, b) => a.from - b.from || b.to - a.to)
    const reading = () => singly(product().local.db.worker, { role: 'soma_worker', tenantId: place.tenantId, readOnly: true })
    const heldBy = async () => {
      const held: number[] = []
      for (const one of await graphs()) held.push((await vectorsIn(reading(), place, one, 1_000)).vectors)
      return held
    }
    const ask = async (query: string, more: object = {}) => {
      const { body } = await product().call(ada, 'POST', '/v1/recall', { query, mode: 'vector', top_k: 20, ...more })
      expect(body.degraded_reasons).toEqual([])
      return body.results.map((one: { text: string; score_breakdown: { semantic: number } }) => [one.score_breakdown.semantic.toFixed(3), one.text])
    }
    /** The best 20 of the whole scope, by the vectors themselves: of all, as of now in words, and of those that a filter lets through. */
    async function expectExact(): Promise<void> {
      const embedder = createEmbedder(product().local.config)
      const [now] = await adminSql<{ now: string }>(product(), `select to_json(clock_timestamp()) #>> '{}' as now`)
      for (const [i, query] of questions.entries()) {
        const [more, condition] = [
          [{}, 'true'],
          [{ as_of: now?.now }, 'true'],
          [{ filters: { 'metadata.kind': { eq: 1 } } }, `m.metadata->>'kind' = '1'`],
        ][i % 3] as [object, string]
        const [vector] = await embedder.embed([query], { tenant: ada.tenant, signal: undefined, purpose: 'query' })
        const rows = await adminSql<{ cosine: number; text: string }>(
          product(),
          `select 1 - (v.embedding <=> $3::halfvec) as cosine, m.text from vectors v join memories m on m.tenant_id = v.tenant_id and m.memory_key = v.memory_key
           where v.tenant_id = $1::integer and v.namespace_key = $2::integer and 1 - (v.embedding <=> $3::halfvec) > 0 and ${condition} order by v.embedding <=> $3::halfvec, m.memory_key limit 20`,
          [place.tenantId, place.namespaceKey, `[${[...(vector as Float32Array)].join(',')}]`],
        )
        const found = await ask(query, more)
        expect(found.map(([cosine]: [string]) => cosine)).toEqual(rows.map(({ cosine }) => cosine.toFixed(3)))
        const last = found.at(-1)?.[0]
        const sure = (list: string[][]) => list.filter(([cosine]) => cosine !== last).sort()
        expect(sure(found)).toEqual(sure(rows.map(({ cosine, text }) => [cosine.toFixed(3), text])))
      }
    }

    beforeAll(async () => {
      await loseWakeUps(product())
      ada = await product().tenant()
      place = { tenantId: ada.tenantId, namespaceKey: 0, modelKey: 0 }
      await store(30)
      const [row] = await adminSql<{ n: number; m: number }>(
        product(),
        `select s.scope_key as n, v.model_key as m from scopes s join vectors v on v.tenant_id = s.tenant_id and v.namespace_key = s.scope_key where s.tenant_id = $1::integer and s.user_id is null and s.namespace = 'default' limit 1`,
        [ada.tenantId],
      )
      place = { ...place, namespaceKey: row?.n as number, modelKey: row?.m as number }
      await store(10)
    })

    test('there is none at first, and what is stored is compared one by one', async () => {
      expect(await graphs()).toEqual([])
      await expectExact()
    })

    test('the first holds what is there; what comes after it belongs to none, and is found', async () => {
      expect([await build(), await heldBy()]).toEqual([1, [40]])
      await store(11)
      expect([await build(), await heldBy()]).toEqual([0, [40]])
      await expectExact()
      const [range] = await graphs()
      const [row] = await adminSql<{ definition: string }>(product(), `select pg_get_indexdef('${range?.name}'::regclass) as definition`)
      expect(row?.definition).toContain(`(memory_key >= ${range?.from}) AND (memory_key < ${range?.to})`)
    })

    test('newer ones become graphs of their own, and one together when they have grown', async () => {
      await store(1)
      expect([await build(), await heldBy()]).toEqual([1, [40, 12]])
      await expectExact()
      for (const held of [
        [40, 12, 12],
        [40, 12, 12, 12],
      ]) {
        await store(12)
        expect([await build(), await heldBy()]).toEqual([1, held])
      }
      await expectExact()
      // while it is built in place of the others it is there beside them
      await store(12)
      let beside = 0
      const { worker, owner } = product().local.db
      const looking: Database = {
        ...owner,
        maintenance: (work) =>
          owner.maintenance((sql) =>
            work({
              async query<Row>(text: string, values?: unknown[]) {
                if (text.startsWith('drop index') && !beside++) {
                  expect(await heldBy()).toEqual([40, 48, 12, 12, 12])
                  await expectExact()
                }
                return sql.query<Row>(text, values)
              },
            }),
          ),
      }
      expect([await build({}, { worker, owner: looking }), await heldBy()]).toEqual([1, [40, 48]])
      expect(beside).toBeGreaterThan(0)
      await expectExact()
    })

    test('a memory that changes or is forgotten does so in the graph that it is in', async () => {
      const { body } = await product().call(ada, 'PATCH', `/v1/memories/${ids[3]}`, { text: 'a lantern for the ferry, and a lantern for Lund' })
      expect(body.version).toBe(2)
      await product().call(ada, 'DELETE', `/v1/memories/${ids[4]}`)
      await settle()
      await expectExact()
      expect(await ask('a lantern for the ferry')).toContainEqual([expect.any(String), 'a lantern for the ferry, and a lantern for Lund'])
    })

    test('one that was interrupted, lost, or built by an older version is not asked, and put right', async () => {
      const [first, second] = await graphs()
      await adminSql(product(), `update pg_index set indisvalid = false where indexrelid = '${second?.name}'::regclass`)
      await expectExact()
      expect([await build(), (await graphs()).map(({ valid }) => valid)]).toEqual([1, [true, true]])
      await adminSql(product(), `drop index ${first?.name}`)
      const { tenantId, namespaceKey, modelKey } = place
      await adminSql(
        product(),
        `create index vectors_ann_${tenantId}_${namespaceKey}_${modelKey} on vectors_p${await partition(tenantId)} using hnsw ((embedding::halfvec(384)) halfvec_cosine_ops)
         where tenant_id = ${tenantId} and namespace_key = ${namespaceKey} and model_key = ${modelKey}`,
      )
      await expectExact()
      // what is between two graphs is built however little it is
      expect(await build()).toBe(1)
      expect(coverOf(await graphs()).rest).toHaveLength(1)
      expect(await adminSql(product(), `select from pg_class where relname ~ '^vectors_ann_${tenantId}_[0-9]+_[0-9]+$'`)).toEqual([])
      await expectExact()
    })

    test('none holds more than it may', async () => {
      for (const { name } of await graphs()) await adminSql(product(), `drop index ${name}`)
      expect(await build({ most: 25 })).toBeGreaterThan(1)
      const held = await heldBy()
      expect(Math.max(...held)).toBe(25)
      expect(held.reduce((sum, one) => sum + one, 0)).toBeGreaterThan(stored - 1 - sizes.least)
      await expectExact()
    })

    test('while many wait for their vectors it takes ten times as much, or as much as one may hold', async () => {
      await store(30)
      const { tenantId, namespaceKey } = place
      await adminSql(
        product(),
        `insert into vector_pending (tenant_id, memory_key, namespace_key, version, queued_at) select ${tenantId}, 1000000000 + n, ${namespaceKey}, 1, now() from generate_series(1, 1000) n`,
      )
      expect([await build(), await build({ most: 25 })]).toEqual([0, 1])
      await adminSql(product(), `delete from vector_pending where tenant_id = ${tenantId}`)
      await expectExact()
    })

    const partition = async (tenantId: number) =>
      (await adminSql<{ r: number }>(product(), `select r from generate_series(0, 7) r where satisfies_hash_partition('vectors'::regclass, 8, r, ${tenantId})`))[0]?.r
  },
  ['postgres 18', 'postgres 16'],
)
