import { beforeAll, expect, test } from 'vitest'
import { type Answer, type Caller, describeEngines } from '../support/engines.ts'
import { loseWakeUps } from './admin.ts'

type Result = { id: string; text: string; score: number; score_breakdown: Record<string, number>; explain: { parts: Record<string, number>; text: string } }

/** What a memory stands in: its session and its speaker, the day, and what was said around it. */
describeEngines('recall in a dialogue', (product) => {
  beforeAll(() => loseWakeUps(product()))
  const ask = async (ada: Caller, query: string, more: object = {}): Promise<Result[]> => {
    const answer: Answer = await product().call(ada, 'POST', '/v1/recall', { query, mode: 'lexical', explain: true, ...more })
    expect([answer.status, answer.body.detail]).toEqual([200, undefined])
    return answer.body.results
  }
  const texts = (results: Result[]) => results.map(({ text }) => text)
  const say = async (ada: Caller, session: string, day: string, turns: [speaker: string, text: string][], more: object = {}): Promise<string[]> => {
    const items = turns.map(([speaker, text], i) => ({ text, speaker, session_id: session, occurred_at: `${day}T10:00:${String(i).padStart(2, '0')}Z`, user_id: 'u', ...more }))
    const { body } = await product().call(ada, 'POST', '/v1/memories/bulk', { items })
    return body.results.map((one: { id: string }) => one.id)
  }
  const fair: [string, string][] = [
    ['Nora', 'The autumn fair opens tomorrow.'],
    ['Otto', 'Which stall will you look after?'],
    ['Nora', 'The one with the jam.'],
    ['Otto', 'Save a jar for me.'],
    ['Nora', 'Consider it done.'],
    ['Otto', 'Bring an umbrella.'],
  ]

  test('an answer without a word of the question is found beside it, before what only shares a common word', async () => {
    const ada = await product().tenant()
    await say(ada, 's1', '2024-09-20', fair)
    await say(ada, 's2', '2024-10-01', [
      ['Otto', 'The market stall was sold.'],
      ['Otto', 'It rained.'],
    ])
    const results = await ask(ada, 'what stall does Nora look after at the fair', { user_id: 'u' })
    expect(results[0]?.text).toBe('The one with the jam.')
    expect(texts(results).indexOf('Which stall will you look after?')).toBeLessThan(texts(results).indexOf('The market stall was sold.'))
    const answer = results.find(({ text }) => text.includes('jam')) as Result
    expect(answer.explain.parts).toMatchObject({ words: 0, speaker: 2 })
    expect(answer.explain.parts.neighbours).toBeGreaterThan(0)
    expect(answer.score_breakdown.context).toBeGreaterThan(0)
    expect(answer.explain.text).toMatch(/matched no word; the words next to it .* \+ its session .* \+ who said it 2\.00 of/)
  })

  test('the order is that of what happened, whatever was stored first', async () => {
    const ada = await product().tenant()
    const at = (second: number) => `2024-09-20T10:00:0${second}Z`
    for (const [text, second] of [
      ['in Lund.', 2],
      ['Where is the boat house?', 1],
      ['far before it', 0],
    ] as const) {
      await product().call(ada, 'POST', '/v1/memories', { text, session_id: 's', speaker: second === 1 ? 'Ann' : 'Ben', occurred_at: at(second) })
    }
    const [question, answer, before] = await ask(ada, 'boat house')
    expect([question?.text, answer?.text, before?.text]).toEqual(['Where is the boat house?', 'in Lund.', 'far before it'])
  })

  test('neighbours are those of the same user, namespace and session, and only such as the filters let through', async () => {
    const ada = await product().tenant()
    await say(ada, 's', '2024-09-20', [['Ann', 'the lighthouse']])
    await say(ada, 's', '2024-09-20', [['Ann', 'of another user']], { user_id: 'v' })
    await say(ada, 's', '2024-09-20', [['Ann', 'of another namespace']], { namespace: 'n' })
    await say(ada, 't', '2024-09-20', [['Ann', 'of another session']])
    const [tagged] = await say(ada, 's', '2024-09-21', [['Ann', 'tagged']], { tags: ['kept'] })
    expect(texts(await ask(ada, 'lighthouse', { user_id: 'u' })).sort()).toEqual(['tagged', 'the lighthouse'])
    expect(texts(await ask(ada, 'lighthouse')).sort()).toEqual(['tagged', 'the lighthouse'])
    expect(texts(await ask(ada, 'lighthouse', { filters: { tags: { contains: 'kept' } } }))).toEqual([])
    expect(texts(await ask(ada, 'tagged', { filters: { tags: { contains: 'kept' } } }))).toEqual(['tagged'])
    await product().call(ada, 'DELETE', `/v1/memories/${tagged}`)
    expect(texts(await ask(ada, 'lighthouse'))).toEqual(['the lighthouse'])
  })

  test('as of an instant the neighbours are those of then, in their words of then', async () => {
    const ada = await product().tenant()
    const [, answer = ''] = await say(ada, 's', '2024-09-20', [
      ['Ann', 'Where is the lighthouse?'],
      ['Ben', 'on the cape'],
    ])
    await new Promise((resolve) => setTimeout(resolve, 5))
    const before = new Date().toISOString()
    await new Promise((resolve) => setTimeout(resolve, 5))
    await product().call(ada, 'PATCH', `/v1/memories/${answer}`, { text: 'on the island' })
    await say(ada, 's', '2024-09-20', [['Cleo', 'which cape?']])
    const then = await ask(ada, 'lighthouse', { as_of: before })
    expect(texts(then)).toEqual(['Where is the lighthouse?', 'on the cape'])
    expect(texts(await ask(ada, 'lighthouse'))).toContain('on the island')
    await product().call(ada, 'DELETE', `/v1/memories/${answer}`)
    expect(texts(await ask(ada, 'lighthouse', { as_of: before }))).toEqual(texts(then))
  })

  test('the day and the kind of answer that a question names', async () => {
    const ada = await product().tenant()
    await say(ada, 'a', '2024-03-02', [['Ann', 'We went climbing yesterday.']])
    await say(ada, 'b', '2024-06-02', [['Ann', 'We went climbing with Ben.']])
    expect((await ask(ada, 'climbing in June 2024'))[0]?.text).toBe('We went climbing with Ben.')
    const [first] = await ask(ada, 'when did they go climbing')
    expect([first?.text, first?.explain.parts.when]).toEqual(['We went climbing yesterday.', 1.5])
  })

  test('a misspelt word is taken for the one that is there, a misspelt name for the name', async () => {
    const ada = await product().tenant()
    await say(ada, 's', '2024-03-02', [
      ['Caroline', 'the observatory is closed'],
      ['Ben', 'the museum is open'],
    ])
    const [first] = await ask(ada, 'is the obsrevatory of Carolnie closed')
    expect([first?.text, first?.explain.parts.speaker]).toEqual(['the observatory is closed', 2])
    const [other] = await ask(ada, 'mseum')
    expect(other?.text).toBe('the museum is open')
    // once by its own word and once by a misspelt one: it is one memory that has it
    const twice = await ask(ada, 'museums musuem msueum')
    expect(twice[0]?.explain.parts.words).toBeCloseTo(Math.log(2) * (1 + 0.8 + 0.8), 9)
  })

  test('a word with a letter beyond the basic plane among its first four is found', async () => {
    const ada = await product().tenant()
    await say(ada, 's', '2024-03-02', [['Ann', 'abc\u{10330}def']])
    expect(texts(await ask(ada, 'abc\u{10330}def'))).toEqual(['abc\u{10330}def'])
  })

  test('a session of thousands is answered like any other', async () => {
    const ada = await product().tenant()
    for (let from = 0; from < 2_000; from += 500) {
      const items = Array.from({ length: 500 }, (_, i) => ({
        text: `reading ${from + i} of the gauge`,
        session_id: 'long',
        occurred_at: new Date(1_700_000_000_000 + 1_000 * (from + i)).toISOString(),
      }))
      await product().call(ada, 'POST', '/v1/memories/bulk', { items })
    }
    const results = await ask(ada, 'reading 1234 of the gauge', { top_k: 100 })
    expect(results[0]?.text).toBe('reading 1234 of the gauge')
    expect(results[1]?.text).toBe('reading 1235 of the gauge')
  })
})
