import { expect, test } from 'vitest'
import { type Caller, describeEngines } from '../support/engines.ts'
import { importOf, memory, ndjson, version } from '../support/transfer.ts'
import { adminSql } from './admin.ts'

/** A look back passes by words by the second in which their version was recorded: a wrong one would hide a memory, or count it too early. */
describeEngines('words and when they were recorded', (product) => {
  const call = async (ada: Caller, method: string, path: string, body?: unknown) => {
    const answer = await product().call(ada, method, path, body)
    expect([path, answer.status < 300 ? {} : answer.body]).toEqual([path, {}])
    return answer.body
  }
  const seconds = (ada: Caller) =>
    adminSql<{ of: string; known: boolean; right: boolean }>(
      product(),
      `select m.text as of, bool_and(p.recorded_second < 2147483647) as known, bool_and(p.recorded_second = second_of(m.recorded_at)) as right
       from postings p join memories m on m.tenant_id = p.tenant_id and m.memory_key = p.memory_key where p.tenant_id = $1::integer group by m.memory_key, m.text order by m.text`,
      [ada.tenantId],
    )
  const rightly = (...texts: string[]) => texts.map((of) => ({ of, known: true, right: true }))
  /** So that what is written next lies in another second. */
  const ageByAMinute = (ada: Caller) =>
    adminSql(
      product(),
      `with aged as (update memories set recorded_at = recorded_at - interval '1 minute', created_at = created_at - interval '1 minute' where tenant_id = ${ada.tenantId} returning memory_key)
       update postings set recorded_second = recorded_second - 60 where tenant_id = ${ada.tenantId} and memory_key in (select a.memory_key from aged a)`,
    )

  test('every way to write keeps them together', async () => {
    const ada = await product().tenant()
    await call(ada, 'POST', '/v1/memories', { text: 'amber lamp', tags: ['hall'], coord: '1,2' })
    await call(ada, 'POST', '/v1/memories/bulk', { items: [{ text: 'birch table' }, { text: 'cedar chest' }] })
    const { id } = await call(ada, 'POST', '/v1/memories', { text: 'delta map' })
    await ageByAMinute(ada)
    expect(await seconds(ada)).toEqual(rightly('amber lamp', 'birch table', 'cedar chest', 'delta map'))
    await call(ada, 'POST', '/v1/memories', { text: 'amber torch', coord: '1,2' })
    // the words stay, their version is another
    await call(ada, 'POST', '/v1/memories', { text: 'ember map', supersedes: id })
    expect(await seconds(ada)).toEqual(rightly('amber torch', 'birch table', 'cedar chest', 'delta map', 'ember map'))
    await ageByAMinute(ada)
    await call(ada, 'PATCH', `/v1/memories/${id}`, { importance: 3 })
    expect(await seconds(ada)).toEqual(rightly('amber torch', 'birch table', 'cedar chest', 'delta map', 'ember map'))
  })

  test('an import brings its own, also from before the first second that fits', async () => {
    const ada = await product().tenant()
    const old = '1816-05-01T00:00:00.000Z'
    await importOf(
      product(),
      ada,
      ndjson([
        version(1, 1, { text: 'gas lamp', created_at: old, updated_at: old, closed_at: '2024-01-02T00:00:00.000Z' }),
        memory(1, { text: 'electric lamp', created_at: old, version: 2, updated_at: '2024-01-02T00:00:00.000Z' }),
        memory(2, { text: 'oil lamp', created_at: old, updated_at: old }),
      ]),
    )
    expect(await seconds(ada)).toEqual(rightly('electric lamp', 'oil lamp'))
    const found = async (as_of: string) =>
      (await call(ada, 'POST', '/v1/recall', { query: 'lamp', mode: 'lexical', as_of })).results.map((one: { text: string }) => one.text).sort()
    expect(await found('1816-04-30T00:00:00Z')).toEqual([])
    expect(await found('1816-05-01T00:00:00Z')).toEqual(['gas lamp', 'oil lamp'])
    expect(await found('2024-01-01T23:59:59.999Z')).toEqual(['gas lamp', 'oil lamp'])
    expect(await found('2024-01-02T00:00:00Z')).toEqual(['electric lamp', 'oil lamp'])
  })

  test('words whose second is not known, and words of the very second, are told apart by the memory', async () => {
    const ada = await product().tenant()
    const at = (ms: number) => `2024-03-01T10:00:00.${String(ms).padStart(3, '0')}Z`
    await importOf(product(), ada, ndjson([memory(1, { text: 'first lamp', updated_at: at(100) }), memory(2, { text: 'second lamp', updated_at: at(500) })]))
    const looked = async () => {
      const answers = []
      for (const ms of [99, 100, 499, 500]) {
        const { results } = await call(ada, 'POST', '/v1/recall', { query: 'lamp', mode: 'lexical', as_of: at(ms), explain: true })
        answers.push(results.map((one: { text: string; explain: { most: number } }) => [one.text, one.explain.most]))
      }
      return answers
    }
    const known = await looked()
    expect(known.map((answer) => answer.length)).toEqual([0, 1, 1, 2])
    // how rare a word was is counted over what was known then
    expect(known[1]).toEqual(known[2])
    await adminSql(product(), `update postings set recorded_second = default where tenant_id = ${ada.tenantId}`)
    expect(await looked()).toEqual(known)
  })
})
