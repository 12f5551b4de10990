import { expect, test } from 'vitest'
import { type Caller, describeEngines } from '../support/engines.ts'
import { nested } from './checks.ts'
import { hostile, words } from './plain-text.ts'

/** Names in one order, so that what jsonb reorders can be compared; own `__proto__` keys count like any other. */
const sorted = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(sorted)
    : typeof value === 'object' && value !== null
      ? Object.entries(value)
          .map(([name, inner]) => [name, sorted(inner)])
          .sort()
      : value

describeEngines('what is written is text', (product) => {
  const list = async (caller: Caller, body: object) => {
    const answer = await product().call(caller, 'POST', '/v1/memories/list', { limit: 500, ...body })
    expect(answer.status, answer.text).toBe(200)
    return answer.body.items as Record<string, unknown>[]
  }
  const bulk = async (caller: Caller, items: object[]) => {
    const answer = await product().call(caller, 'POST', '/v1/memories/bulk', { items })
    expect(answer.status, answer.text).toBe(200)
    return answer.body.results.map((one: { id: string }) => one.id) as string[]
  }

  test('an id is compared as it is: each user, session, agent, app, run and speaker finds its own memory only', async () => {
    const ada = await product().tenant()
    for (const field of ['user_id', 'session_id', 'agent_id', 'app_id', 'run_id', 'speaker']) {
      const ids = await bulk(
        ada,
        hostile.map((value) => ({ text: 'the same words', namespace: field, [field]: value })),
      )
      for (const [i, value] of hostile.entries()) {
        const asked = field === 'speaker' ? [{ filters: { speaker: value } }] : [{ [field]: value }, { filters: { [field]: { in: [value] } } }]
        for (const selection of asked) {
          expect(
            (await list(ada, { namespace: field, ...selection })).map((one) => [one.id, one[field]]),
            `${field} ${JSON.stringify(value)}`,
          ).toEqual([[ids[i], value]])
        }
        if (field !== 'user_id') continue
        const found = await product().call(ada, 'POST', '/v1/recall', { query: 'same words', namespace: field, user_id: value })
        expect(found.body.results.map((one: { id: string }) => one.id)).toEqual([ids[i]])
      }
    }
  })

  test('a namespace is compared as it is: user-1 does not find user-10, and % finds only itself', async () => {
    const ada = await product().tenant()
    const ids = await bulk(
      ada,
      hostile.map((namespace) => ({ text: 'the same words', namespace })),
    )
    for (const [i, namespace] of hostile.entries()) {
      expect(
        (await list(ada, { namespace })).map((one) => one.id),
        JSON.stringify(namespace),
      ).toEqual([ids[i]])
      const found = await product().call(ada, 'POST', '/v1/recall', { query: 'same words', namespace })
      expect(found.body.results.map((one: { id: string; namespace: string }) => [one.id, one.namespace])).toEqual([[ids[i], namespace]])
    }
    expect(await list(ada, { namespace: 'user' })).toEqual([])
  })

  test('tags, metadata keys and values, texts and payloads come back as they were and match as they are', async () => {
    const ada = await product().tenant()
    const ids = await bulk(
      ada,
      hostile.map((value) => ({ text: `is ${value}|`, tags: [value], metadata: { v: value, [value]: 1 }, payload: { [value]: value, list: [value] } })),
    )
    const all = new Map((await list(ada, {})).map((one) => [one.id, one]))
    for (const [i, value] of hostile.entries()) {
      const id = ids[i] as string
      expect(all.get(id)).toMatchObject({ text: `is ${value}|`, tags: [value] })
      expect(Object.entries(all.get(id)?.payload as object).sort()).toEqual(
        Object.entries(JSON.parse(`{${JSON.stringify(value)}:${JSON.stringify(value)},"list":${JSON.stringify([value])}}`)).sort(),
      )
      const own = [
        { tags: { contains: value } },
        { tags: { eq: [value] } },
        { tags: { in: [value] } },
        { 'metadata.v': value },
        { 'metadata.v': { in: [value] } },
        { 'payload.list': { contains: value } },
        { text: `is ${value}|` },
      ]
      if (!value.includes('.')) own.push({ [`payload.${value}`]: value } as never)
      for (const filters of own)
        expect(
          (await list(ada, { filters })).map((one) => one.id),
          JSON.stringify(filters),
        ).toEqual([id])
      const substring = await list(ada, { filters: { text: { contains: `is ${value}|` } } })
      expect(substring.map((one) => one.id)).toEqual([id])
    }
  })

  test('prototype keys are names like any other in payload, metadata and a patch, by the native and the guides’ surface', async () => {
    const ada = await product().tenant()
    const raw = '{"__proto__":{"admin":true},"constructor":{"prototype":{"x":1}},"toString":"s","a":{"__proto__":"deep"}}'
    const stored = await product().call(ada, 'POST', '/v1/memories', `{"text":"x","payload":${raw},"metadata":${raw}}`)
    expect(stored.status, stored.text).toBe(201)
    const patched = await product().call(ada, 'PATCH', `/v1/memories/${stored.body.id}`, '{"metadata":{"__proto__":{"more":1},"constructor":null}}')
    expect(patched.status, patched.text).toBe(200)
    const read = await product().call(ada, 'GET', `/v1/memories/${stored.body.id}`)
    expect(sorted(read.body.payload)).toEqual(sorted(JSON.parse(raw)))
    expect(sorted(read.body.metadata)).toEqual(sorted(JSON.parse('{"__proto__":{"admin":true,"more":1},"toString":"s","a":{"__proto__":"deep"}}')))
    expect((await product().call(ada, 'POST', '/store', `{"coord":"1","payload":${raw}}`)).status).toBe(200)
    const { matches } = (await product().call(ada, 'POST', '/recall', { query: 'deep' })).body
    expect(matches.map(sorted)).toContainEqual(sorted(JSON.parse(raw)))
    expect(({} as Record<string, unknown>).admin).toBeUndefined()
    const filters = JSON.parse('{"metadata.__proto__.more":1,"payload.constructor.prototype.x":1}')
    expect(await list(ada, { filters })).toHaveLength(1)
  })

  test('any words can be stored and asked for, by every arm, without a fault', async () => {
    const ada = await product().tenant()
    await bulk(
      ada,
      words.map((text) => ({ text })),
    )
    for (const settled of [false, true]) {
      if (settled) await product().settle()
      for (const query of words) {
        for (const mode of ['hybrid', 'lexical', 'vector']) {
          const answer = await product().call(ada, 'POST', '/v1/recall', { query, mode, explain: true, top_k: 3 })
          if (query.trim() !== '') expect(answer.status, `${mode} ${JSON.stringify(query.slice(0, 40))} ${answer.text.slice(0, 200)}`).toBe(200)
        }
      }
    }
    expect(await list(ada, {})).toHaveLength(words.length)
  })

  test('a memory whose only message is longer than a text can still be patched', async () => {
    const ada = await product().tenant()
    const content = 'long words '.repeat(10_000)
    const stored = await product().call(ada, 'POST', '/v1/memories', { messages: [{ role: 'user', content }], metadata: nested(2) })
    expect(stored.body.messages[0].content).toBe(content)
    expect((await product().call(ada, 'PATCH', `/v1/memories/${stored.body.id}`, { importance: 5 })).status).toBe(200)
  })
})
