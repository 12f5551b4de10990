import { expect, test } from 'vitest'
import type { Sql } from '../../shared/db/index.ts'
import { largeScope } from '../../shared/recall/index.ts'
import { countWords } from '../../shared/usage/index.ts'
import { type Caller, describeEngines, type Product } from '../support/engines.ts'

/** A namespace that is large: `zork` is in every memory, `blick` in every second, `quux` in every 80th, `flim` in five; one user has half of them. */
async function load(sql: Sql, tenant: number, count: number, first = 1): Promise<void> {
  const t = `${tenant}::integer`
  await sql.query(`insert into scopes (tenant_id, namespace, user_id) select ${t}, 'default', u from (values (null), ('u')) x (u) on conflict do nothing`)
  await sql.query(`insert into memories (tenant_id, memory_key, id, version, namespace_key, user_key, tokenizer, term_count, bytes, importance, created_at, recorded_at, created_xid, namespace, user_id, memory_type, text)
    select ${t}, nextval('memory_key_seq'), gen_random_uuid(), 1, n.scope_key, case when g % 4 < 2 then u.scope_key end, 1, 4, 50, 1, now() - interval '1 day', now() - interval '1 day', pg_current_xact_id(), 'default', case when g % 4 < 2 then 'u' end, 'episodic',
      concat_ws(' ', 'zork', case when g % 2 = 0 then 'blick' end, case when g % 80 = 0 then 'quux' end, case when g % 4000 = 1 then 'flim' end)
    from generate_series(${first}, ${first + count - 1}) g join scopes n on n.tenant_id = ${t} and n.user_id is null join scopes u on u.tenant_id = ${t} and u.user_id = 'u'`)
  await sql.query(`insert into postings (tenant_id, namespace_key, memory_key, user_key, tf, len, term, recorded_second)
    select ${t}, m.namespace_key, m.memory_key, m.user_key, 1, 4, w.term, second_of(m.recorded_at) from memories m cross join lateral unnest(string_to_array(m.text, ' ')) w (term)
    where m.tenant_id = ${t} and not exists (select from postings p where p.tenant_id = ${t} and p.memory_key = m.memory_key)`)
  await sql.query(`delete from scope_stats where tenant_id = ${t}`)
  await sql.query(`insert into scope_stats (tenant_id, scope_key, memories, last_at)
    select ${t}, s.scope_key, count(*), now() from scopes s join memories m on m.tenant_id = ${t} and s.scope_key in (m.namespace_key, m.user_key) where s.tenant_id = ${t} group by s.scope_key`)
}

const signal = new AbortController().signal
const owner = <T>(product: Product, work: (sql: Sql) => Promise<T>) => product.local.db.owner.maintenance(work)
const counts = (product: Product, caller: Caller) =>
  owner(product, (sql) =>
    sql.query<{ term: string; memories: number }>(
      `select c.term, c.memories::integer from word_counts c join scopes s using (tenant_id, scope_key) where tenant_id = $1::integer and s.user_id is null order by 1`,
      [caller.tenantId],
    ),
  )

describeEngines('common words of a large scope', (product) => {
  type Result = { text: string; score: number; explain: { matched_terms: string[]; parts: { words: number } } }
  const ask = async (caller: Caller, query: string, more: object = {}): Promise<Result[]> => {
    const { status, body } = await product().call(caller, 'POST', '/v1/recall', { query, mode: 'lexical', top_k: 20, explain: true, ...more })
    expect(status, JSON.stringify(body)).toBe(200)
    return body.results
  }
  const plain = (results: Result[]) => results.map(({ text, score, explain }) => ({ text, score, matched: explain.matched_terms }))

  test('are counted by the rollup, and again when a tenth has changed; whatever went wrong in between is right then', async () => {
    const caller = await product().tenant()
    await owner(product(), (sql) => load(sql, caller.tenantId, largeScope))
    await product().local.runJob('rollup-usage')
    const first = [
      { term: '', memories: 20_000 },
      { term: 'blick', memories: 10_000 },
      { term: 'zork', memories: 20_000 },
    ]
    expect(await counts(product(), caller)).toEqual(first)
    expect(await countWords(product().local.db.worker, largeScope, signal)).toEqual({ done: 0, remaining: false })
    await owner(product(), (sql) => load(sql, caller.tenantId, 1_000, largeScope + 1))
    await product().local.runJob('rollup-usage')
    expect(await counts(product(), caller), 'a twentieth more').toEqual(first)
    await owner(product(), async (sql) => {
      await sql.query(`update word_counts set memories = 5 where tenant_id = $1::integer and term = 'zork'`, [caller.tenantId])
      await load(sql, caller.tenantId, 1_500, largeScope + 1_001)
    })
    await product().local.runJob('rollup-usage')
    expect(await counts(product(), caller)).toEqual([
      { term: '', memories: 22_500 },
      { term: 'blick', memories: 11_250 },
      { term: 'zork', memories: 22_500 },
    ])
    await product().local.runJob('sweep')
    expect(await counts(product(), caller)).toHaveLength(3)
    await owner(product(), (sql) => sql.query('update scope_stats set memories = 7 where tenant_id = $1::integer', [caller.tenantId]))
    await product().local.runJob('sweep')
    expect(await counts(product(), caller), 'of what was forgotten no word stays').toEqual([])
  }, 120_000)

  test('choose nobody and count all the same: the answer is the one without a count, and few words are read for it', async () => {
    const caller = await product().tenant()
    await owner(product(), (sql) => load(sql, caller.tenantId, 3 * largeScope))
    const asOf = { as_of: new Date(Date.now() - 1_000).toISOString() }
    const asked = ['zork blick quux flim', 'flim zork', 'quux blick', 'zorc quux']
    const whole = []
    for (const query of asked) whole.push(plain(await ask(caller, query)), plain(await ask(caller, query, asOf)), plain(await ask(caller, query, { user_id: 'u' })))
    await product().local.runJob('rollup-usage')
    expect((await counts(product(), caller)).map(({ term }) => term)).toEqual(['', 'blick', 'zork'])
    const within = []
    for (const query of asked) within.push(plain(await ask(caller, query)), plain(await ask(caller, query, asOf)), plain(await ask(caller, query, { user_id: 'u' })))
    expect(within).toEqual(whole)
    expect(within[0]?.[0]).toMatchObject({ text: 'zork flim', matched: ['flim', 'zork'] })
  }, 240_000)

  test('a question of nothing but common words is answered from a part of those who have the rarest', async () => {
    const caller = await product().tenant()
    await owner(product(), (sql) => load(sql, caller.tenantId, 3 * largeScope))
    await product().local.runJob('rollup-usage')
    const { body } = await product().call(caller, 'POST', '/v1/recall', { query: 'zork blick', mode: 'lexical', top_k: 5 })
    expect(body.results).toHaveLength(5)
    for (const { text } of body.results) expect(text).toMatch(/^zork blick/)
    expect(body.total_candidates).toBeLessThanOrEqual(20_000)
    const alone = await product().call(caller, 'POST', '/v1/recall', { query: 'zork', mode: 'lexical', top_k: 5 })
    expect(alone.body.results).toHaveLength(5)
    expect(alone.body.total_candidates).toBe(20_000)
  }, 120_000)
})
