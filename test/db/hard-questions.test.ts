import { beforeAll, expect, test } from 'vitest'
import type { Sql } from '../../shared/db/index.ts'
import { largeScope } from '../../shared/recall/index.ts'
import { type Caller, describeEngines } from '../support/engines.ts'

const modes = ['hybrid', 'lexical', 'vector'] as const
const speakers = 10_000

/** Rows as a store makes them, in one statement: `text` and `speaker` are SQL over g. */
async function load(sql: Sql, tenant: number, count: number, { text, speaker }: { text: string; speaker: string }): Promise<void> {
  const t = `${tenant}::integer`
  await sql.query(`insert into scopes (tenant_id, namespace, user_id) select ${t}, 'default', u from (values (null), ('u')) x (u)`)
  await sql.query(`insert into memories (tenant_id, memory_key, id, version, namespace_key, user_key, tokenizer, term_count, bytes, importance, created_at, recorded_at, created_xid, namespace, user_id, memory_type, text, speaker)
    select ${t}, nextval('memory_key_seq'), gen_random_uuid(), 1, n.scope_key, u.scope_key, 1, 4, 50, 1, now() - interval '1 day', now() - interval '1 day', pg_current_xact_id(), 'default', 'u', 'episodic', ${text}, ${speaker}
    from generate_series(1, ${count}) g join scopes n on n.tenant_id = ${t} and n.user_id is null join scopes u on u.tenant_id = ${t} and u.user_id = 'u'`)
  await sql.query(`insert into postings (tenant_id, namespace_key, memory_key, user_key, tf, len, term, recorded_second)
    select ${t}, m.namespace_key, m.memory_key, m.user_key, 1, 4, w.term, second_of(m.recorded_at) from memories m cross join lateral unnest(string_to_array(m.text, ' ')) w (term) where m.tenant_id = ${t}`)
  await sql.query(`insert into scope_stats (tenant_id, scope_key, memories, last_at) select ${t}, s.scope_key, ${count}, now() from scopes s where s.tenant_id = ${t}`)
}

/** What it is, the question, and whether it is one at all. */
const odd: [string, string, refused?: true][] = [
  ['one letter', 'x'],
  ['a sign', '?'],
  ['blanks', ' \t\n ', true],
  ['stop words', 'is it that the which of all these are not'],
  ['emoji', '🦜🦜🏴‍☠️ 👩‍👩‍👧'],
  ['mixed scripts', 'parrot попугай 鸚鵡 ببغاء पक्षी นกแก้ว'],
  ['half a pair of surrogates', 'parrot \ud83e', true],
  ['SQL', `parrot'); drop table memories; select set_config('soma.tenant', '1', false); --`],
  ['a regular expression', String.raw`parrot (a+)+$ \y[[:alpha:]{1,2}(?=x)\1 *`],
  ['wildcards', '%par_ot% par*'],
  ['JSON', '{"query":{"$ne":null},"text":["parrot"]}'],
  ['marks of our own', '\u0001 \u{10ffff} {1,2,NULL} "NULL" \\'],
  ['31 February', 'what did the parrot say on 31 February 2024?'],
  ['the year 9999', 'where is the parrot on 31 December 9999, and in 9999-12-31T23:59:59Z or in 0000?'],
  ['clocks that jump', 'when did the parrot speak at 02:30 on 2024-03-31, or 23:59:60?'],
  ['ten thousand words', Array.from({ length: 10_000 }, (_, i) => `w${i.toString(36)}`).join(' ')],
  ['one word of 60,000 letters', 'parrot'.repeat(10_000)],
]

describeEngines('a question', (product) => {
  let ada: Caller
  const ask = (caller: Caller, body: object) => product().call(caller, 'POST', '/v1/recall', body)
  const owner = <T>(work: (sql: Sql) => Promise<T>) => product().local.db.owner.maintenance(work)
  beforeAll(async () => {
    ada = await product().tenant()
    for (const occurred_at of ['0001-01-01T00:00:00Z', '9999-12-31T23:59:59Z', '2024-03-31T02:30:00Z'])
      await product().call(ada, 'POST', '/v1/memories', {
        text: `the parrot spoke, when was that? NULL {1} ${occurred_at}`,
        occurred_at,
        session_id: 's',
        user_id: 'u',
        speaker: 'NULL',
      })
    await product().settle()
  })

  test.each(odd)('of %s is answered or refused, in every mode, now and as of then, and changes nothing', async (_, query, refused) => {
    const before = new Date().toISOString()
    for (const mode of modes) {
      for (const more of [{}, { as_of: before }, { user_id: 'u', explain: true }]) {
        const { status, body } = await ask(ada, { query, mode, ...more })
        expect(status, JSON.stringify(body)).toBe(refused ? 422 : 200)
        if (refused) expect(body.errors).toMatchObject([{ pointer: '/query' }])
        else for (const { score } of body.results) expect(score >= 0 && score <= 1, `${score}`).toBe(true)
      }
    }
    expect((await ask(ada, { query: 'parrot' })).body.results).toHaveLength(3)
  })

  test('to a scope with ten thousand speakers finds what the one it names said', async () => {
    const bob = await product().tenant()
    await owner((sql) => load(sql, bob.tenantId, speakers, { text: `'kettl ' || 'w' || g % 50`, speaker: `'Speaker' || g || ' Family' || g % 7` }))
    const { body } = await ask(bob, { query: 'what did Speaker7777 say about the kettle w27?', mode: 'lexical', user_id: 'u', explain: true })
    expect(body.results[0]).toMatchObject({ speaker: 'Speaker7777 Family0', explain: { parts: { speaker: 2 } } })
  })

  test('to a large scope where every memory has all its words looks at no more of them than the budget', async () => {
    const eve = await product().tenant()
    const memories = 2 * largeScope
    await owner((sql) => load(sql, eve.tenantId, memories, { text: `'alik duplic kettl' || case when g = 5 then ' zork' else '' end`, speaker: 'null' }))
    await product().local.runJob('rollup-usage')
    const { body } = await ask(eve, { query: 'alike duplicates kettle', mode: 'lexical' })
    expect(body.results).toHaveLength(10)
    expect(body.total_candidates).toBeLessThanOrEqual(largeScope)
    // what only one has is found among them all
    const found = (await ask(eve, { query: 'alike duplicates kettle zork', mode: 'lexical' })).body
    expect(found.results[0].text).toBe('alik duplic kettl zork')
  }, 120_000)
})
