import { beforeAll, expect, test } from 'vitest'
import type { Database, Sql } from '../../shared/db/index.ts'
import { createEmbedder } from '../../shared/embed/index.ts'
import { getMemory, listMemories, memoryHistory } from '../../shared/memory/index.ts'
import { claimOutbox } from '../../shared/outbox/claim.ts'
import { largeScope, recall } from '../../shared/recall/index.ts'
import type { Ctx } from '../../shared/tenant/index.ts'
import { buildAnn } from '../../shared/vector/index.ts'
import { type Caller, describeEveryEngine } from '../support/engines.ts'
import { type Plan, plansOf, recording, type Statement } from './plans.ts'

const users = 20
/** Reading one of these whole is what must never happen. */
const largeTables = ['memories', 'memory_versions', 'postings', 'closed_postings', 'vectors', 'closed_vectors', 'outbox', 'scopes', 'scope_stats']

/** As many memories as make a scope large, of 20 users, each with 8 words out of 2,000, a vector, and an event that was sent. */
async function load(sql: Sql, tenant: number, count: number, model: { name: string; dimension: number }): Promise<void> {
  const t = `${tenant}::integer`
  await sql.query(`insert into embedding_models (name, dimension) values ('${model.name}', ${model.dimension}) on conflict do nothing`)
  await sql.query(
    `insert into scopes (tenant_id, namespace, user_id) select ${t}, 'default', u from (select null union all select 'u' || g from generate_series(0, ${users - 1}) g) x (u)`,
  )
  // users who have forgotten everything: their scopes stay
  await sql.query(`insert into scopes (tenant_id, namespace, user_id) select ${t}, 'default', 'gone' || g from generate_series(1, ${count}) g`)
  await sql.query(`insert into memories (tenant_id, memory_key, id, version, namespace_key, user_key, tokenizer, term_count, bytes, importance, created_at, recorded_at, created_xid, occurred_at, namespace, user_id, memory_type, text)
    select ${t}, nextval('memory_key_seq'), gen_random_uuid(), 1, n.scope_key, u.scope_key, 1, 8, 50, 1, now() - g * interval '1 minute', now(), pg_current_xact_id(), now() - g * interval '1 minute', 'default', u.user_id, 'episodic', 'memory ' || g
    from generate_series(1, ${count}) g join scopes u on u.tenant_id = ${t} and u.user_id = 'u' || g % ${users} join scopes n on n.tenant_id = ${t} and n.user_id is null`)
  await sql.query(`insert into postings (tenant_id, namespace_key, memory_key, user_key, tf, len, term)
    select ${t}, m.namespace_key, m.memory_key, m.user_key, 1, 8, 'w' || (m.memory_key * 7 + w * w * 131) % 2000 from memories m cross join generate_series(1, 8) w where m.tenant_id = ${t}`)
  // every second memory was changed an hour ago
  await sql.query(`update memories set recorded_at = now() - case when memory_key % 2 = 0 then interval '1 hour' else interval '3 hours' end where tenant_id = ${t}`)
  await sql.query(
    `update postings p set recorded_second = second_of(m.recorded_at) from memories m where m.tenant_id = ${t} and p.tenant_id = ${t} and m.memory_key = p.memory_key`,
  )
  const changed = `from memories m where m.tenant_id = ${t} and m.memory_key % 2 = 0`
  await sql.query(`insert into memory_versions select m.*, m.recorded_at, pg_current_xact_id(), 'closed' ${changed}`)
  await sql.query(`update memory_versions set version = 0, recorded_at = closed_at - interval '2 hours' where tenant_id = ${t}`)
  await sql.query(`insert into vectors (tenant_id, model_key, namespace_key, user_key, memory_key, version, recorded_at, embedding)
    select ${t}, e.model_key, m.namespace_key, m.user_key, m.memory_key, 1, m.recorded_at, (select array_agg(random() - 0.5 + (i + m.version) * 0) from generate_series(1, ${model.dimension}) i)::real[]::vector::halfvec
    from memories m cross join embedding_models e where m.tenant_id = ${t}`)
  const closed = `join memory_versions o on o.tenant_id = ${t} and o.memory_key`
  await sql.query(
    `insert into closed_postings select p.tenant_id, p.namespace_key, p.memory_key, p.user_key, p.tf, p.len, p.term, o.version, o.recorded_at, o.closed_at from postings p ${closed} = p.memory_key where p.tenant_id = ${t}`,
  )
  await sql.query(`insert into closed_vectors select v.*, o.closed_at from vectors v ${closed} = v.memory_key where v.tenant_id = ${t}`)
  await sql.query(`update closed_vectors set version = 0, recorded_at = closed_at - interval '2 hours' where tenant_id = ${t}`)
  await sql.query(`insert into outbox (tenant_id, event_id, type, id, memory_key, version, created_at, next_attempt_at, status, sent_at)
    select ${t}, gen_random_uuid(), 'created', m.id, m.memory_key, 1, now(), now(), case when m.memory_key % 500 = 0 then 'pending' else 'sent' end, now() from memories m where m.tenant_id = ${t}`)
  await sql.query(
    `insert into scope_stats (tenant_id, scope_key, memories, last_at) select ${t}, s.scope_key, case when s.user_id is null then ${count} else ${count / users} end, now() from scopes s where s.tenant_id = ${t}`,
  )
}

describeEveryEngine(
  'the plans of the hot statements, as the product sends them, under row-level security',
  (product) => {
    let caller: Caller
    const embedder = () => createEmbedder(product().local.config)
    const queries = { onDegraded: (_: string, error: unknown) => expect(error).toBeUndefined(), generation: async () => 1 }

    beforeAll(async () => {
      caller = await product().tenant()
      await product().local.db.owner.maintenance(async (sql) => {
        await load(sql, caller.tenantId, largeScope, { name: embedder().model, dimension: embedder().dimension })
        await sql.query('analyze')
      })
    }, 120_000)

    /** The plans of the statements that a call sends, of those whose text matches. */
    async function plans(matching: RegExp, run: (ctx: Ctx) => Promise<unknown>): Promise<Plan[]> {
      const { app, worker } = product().local.db
      const statements: Statement[] = []
      await run({ ...product().ctx(caller), app: recording(app, statements), worker: recording(worker, statements) })
      const chosen = statements.filter(({ text }) => matching.test(text))
      expect(chosen.length, statements.map(({ text }) => text).join('\n\n')).toBeGreaterThan(0)
      return (await Promise.all(chosen.map((statement) => plansOf(app, statement)))).flat()
    }

    /** Uses these indexes, reads no large table whole, and touches one partition of each. */
    function expectIndexed(found: Plan[], ...indexes: (string | RegExp)[]): void {
      for (const plan of found) {
        const about = `${plan.mode}: ${plan.text}`
        for (const index of indexes)
          expect(
            plan.indexes.some((name) => (typeof index === 'string' ? name === index : index.test(name))),
            `${index} in ${plan.indexes} of ${about}`,
          ).toBe(true)
        expect(
          plan.scanned.filter((table) => largeTables.includes(table)),
          about,
        ).toEqual([])
        for (const [table, parts] of Object.entries(plan.partitions)) expect(parts, `${table} in ${about}`).toHaveLength(1)
      }
    }
    const ask = (body: object) => (ctx: Ctx) => recall(ctx, { embedder: embedder(), ...queries }, { query: 'w17 w300 w1234', ...body })

    test('words of a user are looked up in postings_term, and its memories by their keys', async () => {
      expectIndexed(await plans(/^with hits/, ask({ user_id: 'u7' })), 'postings_term', 'memories_pkey')
    })

    test('words of a namespace are looked up in postings_term', async () => {
      expectIndexed(await plans(/^with hits/, ask({})), 'postings_term', 'memories_pkey')
    })

    test('a word that nothing has is looked for one edit away by the keys of postings_term', async () => {
      for (const body of [{ user_id: 'u7' }, {}]) expectIndexed(await plans(/^select w\.term from unnest/, ask({ ...body, query: 'wx99999' })), 'postings_term')
    })

    test('neighbours in a session are read from memories_session, closed ones from memory_versions_session', async () => {
      const items = ['quokka one', 'quokka two', 'quokka three'].map((text) => ({ text, user_id: 'u7', session_id: 's' }))
      await product().call(caller, 'POST', '/v1/memories/bulk', { items })
      await product().local.db.owner.maintenance((sql) => sql.query('analyze memories'))
      const quokka = { user_id: 'u7', query: 'quokka' }
      expectIndexed(await plans(/^with hits/, ask(quokka)), 'memories_session')
      const asOf = { ...quokka, as_of: new Date().toISOString() }
      expectIndexed(await plans(/^with hits/, ask(asOf)), 'memories_session', 'memory_versions_session')
    })

    test('a tag of a filter narrows by the postings, not by reading memories', async () => {
      expectIndexed(await plans(/^with hits/, ask({ user_id: 'u7', filters: { tags: { contains: 'w17' } } })), 'postings_term', 'memories_pkey')
    })

    test('a small scope is compared exactly, through vectors_user', async () => {
      expectIndexed(await plans(/<=>/, ask({ user_id: 'u7', mode: 'vector' })), 'vectors_user', 'memories_pkey')
    })

    test('as of an instant, words, vectors and rows of a user are looked up by their keys, the closed ones too', async () => {
      const asOf = { user_id: 'u7', as_of: new Date(Date.now() - 5_400_000).toISOString() }
      expectIndexed(await plans(/^with hits/, ask(asOf)), 'postings_term', 'closed_postings_user', 'memories_pkey', 'memory_versions_pkey')
      expectIndexed(await plans(/^with hits/, ask({ as_of: asOf.as_of })), 'postings_term', 'closed_postings_term')
      expectIndexed(await plans(/<=>/, ask({ ...asOf, mode: 'vector' })), 'vectors_user', 'closed_vectors_user', 'memories_pkey')
      expectIndexed(await plans(/from memory_versions m where/, (ctx) => listMemories(ctx, { ...asOf, limit: 20 })), 'memories_user', 'memory_versions_user')
      expectIndexed(await plans(/from memory_versions m where/, (ctx) => listMemories(ctx, { as_of: asOf.as_of, limit: 20 })), 'memories_namespace', 'memory_versions_namespace')
    })

    test('a page of a user’s memories is read from memories_user, one of a namespace from memories_namespace, in order and no further than the page', async () => {
      const page = (body: object) => plans(/from memories m where/, (ctx) => listMemories(ctx, { limit: 20, ...body }))
      expectIndexed(await page({ user_id: 'u7' }), 'memories_user')
      expectIndexed(await page({}), 'memories_namespace')
      for (const plan of [...(await page({ user_id: 'u7' })), ...(await page({}))]) expect(plan.text).not.toContain('"Sort"')
    })

    test('a memory and its history are found by memories_id and memory_versions_id', async () => {
      const { items } = await listMemories(product().ctx(caller), { limit: 1 })
      const id = items[0]?.id as string
      expectIndexed(await plans(/from memories m/, (ctx) => getMemory(ctx, id)), 'memories_id')
      expectIndexed(await plans(/from memory_versions/, (ctx) => memoryHistory(ctx, id)), 'memories_id', 'memory_versions_id')
    })

    test('a drain finds what is pending among all that was sent through outbox_pending', async () => {
      const claim = (ctx: Ctx) => ctx.worker.transaction({ role: 'soma_worker', tenantId: caller.tenantId }, (tx) => claimOutbox(tx, caller.tenantId, crypto.randomUUID(), 200))
      expectIndexed(await plans(/with claimed as/, claim), 'outbox_pending', 'outbox_pkey', 'memories_pkey')
    })

    test('the scope of a recall is found by its name among many users, and counted through an index where no statistics are yet', async () => {
      for (const [body, index] of [
        [{ user_id: 'u7' }, 'memories_user'],
        [{}, 'memories_namespace'],
      ] as const) {
        const found = await plans(/from scopes s join scopes n/, ask(body))
        expectIndexed(found, index, 'scopes_tenant_id_namespace_user_id_key', 'scope_stats_pkey')
        for (const plan of found) expect(plan.text.match(/"Index Cond": "[^"]*namespace = [^"]*user_id[^"]*"/g), plan.text).toHaveLength(2)
      }
    })

    test('common words of a large scope are looked up by the memories that the rare ones chose', async () => {
      await product().local.db.owner.maintenance((sql) =>
        sql.query(
          `insert into word_counts (tenant_id, scope_key, term, memories) select $1::integer, s.scope_key, w.term, 15000 from scopes s, unnest(array['w17', 'w400']) w (term)
           where s.tenant_id = $1::integer and s.user_id is null and s.namespace = 'default'`,
          [caller.tenantId],
        ),
      )
      const asOf = new Date(Date.now() - 5_400_000).toISOString()
      const asked = { query: 'w17 w400 w1200' }
      expectIndexed(await plans(/completed as materialized/, ask(asked)), 'postings_term', 'postings_memory', 'memories_pkey')
      expectIndexed(
        await plans(/completed as materialized/, ask({ ...asked, as_of: asOf })),
        'postings_term',
        'postings_memory',
        'closed_postings_term',
        'closed_postings_memory',
        'memories_pkey',
      )
    })

    test('a scope that has grown large is searched through the HNSW index that build-ann makes for it', async () => {
      const { worker, owner }: { worker: Database; owner: Database } = product().local.db
      // as much memory as the graph takes, where it has less
      const memory: unknown[] = []
      const poor: Database = {
        ...owner,
        maintenance: (work) =>
          owner.maintenance(async (sql) => {
            await sql.query(`set maintenance_work_mem = '4MB'`)
            return work({
              async query<Row>(text: string, values?: unknown[]) {
                if (text.includes('create index')) memory.push(...(await sql.query(`select pg_size_bytes(current_setting('maintenance_work_mem')) / 1048576 as mb`)))
                return sql.query<Row>(text, values)
              },
            })
          }),
      }
      const run = (owner: Database) => buildAnn({ worker, owner }, largeScope, new AbortController().signal)
      expect(await run(poor)).toMatchObject({ done: 1, remaining: false })
      expect(memory).toEqual([{ mb: '19' }])
      expect(await run(owner)).toMatchObject({ done: 0 })
      // another namespace has grown since: what came after the graph is read by its keys, and nothing of that
      await owner.maintenance(async (sql) => {
        await sql.query(
          `insert into vectors (tenant_id, model_key, namespace_key, memory_key, version, recorded_at, embedding)
           select v.tenant_id, v.model_key, 2000000000, v.memory_key + 1000000, v.version, v.recorded_at, v.embedding from vectors v where v.tenant_id = $1::integer`,
          [caller.tenantId],
        )
        await sql.query('analyze vectors')
      })
      const found = await plans(/<=>/, ask({ mode: 'vector' }))
      expectIndexed(found, new RegExp(`^vectors_ann_${caller.tenantId}_`), 'memories_pkey', 'vectors_namespace')
      for (const plan of found) expect(plan.text).toMatch(/"Index Cond": "[^"]*memory_key >= '?\d+/)
      // the users of that namespace are still compared exactly
      expectIndexed(await plans(/<=>/, ask({ user_id: 'u7', mode: 'vector' })), 'vectors_user')
    }, 120_000)
  },
  ['postgres 18', 'postgres 16'],
  // narrow vectors are read whole the sooner: what is not read whole here is not with wider ones
  { EMBEDDING_DIM: '64' },
)
