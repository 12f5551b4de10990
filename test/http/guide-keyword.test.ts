import { expect, test } from 'vitest'
import { keywordBounds } from '../../shared/guide/index.ts'
import { type Caller, describeEngines } from '../support/engines.ts'
import { expectProblem } from './checks.ts'

const texts = [
  'The red fox ran', // 0
  'Red, fox: two words with a comma', // 1
  'a redfox and red foxes', // 2
  "Ada's kettle, caroline's cup", // 3
  'written in C++ and c', // 4
  'what is to be or not to be', // 5
  'why??? because', // 6
  'she went to the harbour', // 7
  '東京タワーへ行く', // 8
  'RED FOX', // 9
  'fox red', // 10
  'mail me at ada@example.org or e-mail', // 11
]

describeEngines('the guides’ keyword search', (product) => {
  const search = (caller: Caller, body: unknown) => product().call(caller, 'POST', '/keyword_search', body)
  const library = async (all: readonly string[], more: object = {}): Promise<Caller> => {
    const caller = await product().tenant()
    for (let from = 0; from < all.length; from += 500) {
      const items = all.slice(from, from + 500).map((text) => ({ payload: { text }, ...more }))
      expect((await product().call(caller, 'POST', '/v1/memories/bulk', { items })).body.created).toBe(items.length)
    }
    return caller
  }
  const found = async (caller: Caller, body: object) => {
    const answer = await search(caller, body)
    expect(answer.status, answer.text).toBe(200)
    expect(answer.body.complete).toBe(true)
    return answer.body.results.map((one: { text: string }) => texts.indexOf(one.text))
  }

  test('exact finds the whole words in their order, anything else the characters, newest first', async () => {
    const ada = await library(texts)
    const expected: [object, number[]][] = [
      [{ term: 'red fox' }, [9, 1, 0]],
      [{ term: '  red   fox ' }, [9, 1, 0]],
      [{ term: 'red fox', case_sensitive: true }, [0]],
      [{ term: 'RED', case_sensitive: true }, [9]],
      [{ term: 'fox' }, [10, 9, 1, 0]],
      [{ term: 'foxes' }, [2]],
      [{ term: 'red fox', exact: false }, [9, 2, 0]],
      [{ term: 'dfo', exact: false }, [2]],
      [{ term: 'OX R', exact: false }, [10, 0]],
      [{ term: 'ada' }, [11, 3]],
      [{ term: "Ada's" }, [3]],
      [{ term: 'Ada’s' }, [3]],
      [{ term: 's' }, []],
      [{ term: "'s" }, [3]],
      [{ term: 'C++' }, [4]],
      [{ term: 'c' }, [4]],
      [{ term: 'to be or not to be' }, [5]],
      [{ term: 'is to' }, [5]],
      [{ term: '???' }, [6]],
      [{ term: '?', exact: false }, [6]],
      [{ term: 'go' }, []],
      [{ term: 'went' }, [7]],
      [{ term: '東京' }, [8]],
      [{ term: '京' }, [8]],
      [{ term: '京タ', exact: false }, [8]],
      [{ term: 'ada@example.org' }, [11]],
      [{ term: 'e-mail' }, [11]],
      [{ term: '%' }, []],
      [{ term: '_', exact: false }, []],
      [{ term: '.*', exact: false }, []],
      [{ term: 'nowhere' }, []],
    ]
    for (const [body, places] of expected) expect(await found(ada, body), JSON.stringify(body)).toEqual(places)
    // a whole text is one of its own terms, and so is any part of it
    for (const [place, text] of texts.entries()) {
      expect(await found(ada, { term: text, case_sensitive: true }), text).toContain(place)
      for (let from = 0; from < text.length - 4; from += 3)
        expect(await found(ada, { term: text.slice(from, from + 5), exact: false }), text.slice(from, from + 5)).toContain(place)
    }
  })

  test('whoever holds it more often comes first, of equals the newest, and top_k and type cut', async () => {
    const ada = await library(['tea', 'tea tea tea', 'tea and tea', 'coffee', 'green tea'])
    const order = async (more: object) => (await search(ada, { term: 'tea', ...more })).body.results.map((one: { text: string }) => one.text)
    expect(await order({})).toEqual(['tea tea tea', 'tea and tea', 'green tea', 'tea'])
    expect(await order({ exact: false })).toEqual(['tea tea tea', 'tea and tea', 'green tea', 'tea'])
    expect(await order({ top_k: 2 })).toEqual(['tea tea tea', 'tea and tea'])
    await product().call(ada, 'POST', '/store', { coord: '1', payload: { text: 'tea as a fact' }, type: 'semantic' })
    expect(await order({ type: 'semantic' })).toEqual(['tea as a fact'])
    expect(await order({ type: 'procedural' })).toEqual([])
  })

  test('a text of another language is found by the words it has, not by English stems', async () => {
    const ada = await library(['die Kisten stehen im Hafen'], { language: 'de' })
    for (const term of ['Kisten', 'die', 'die Kisten', 'HAFEN']) expect((await search(ada, { term })).body.results, term).toHaveLength(1)
    for (const term of ['Kiste', 'kist']) expect((await search(ada, { term })).body.results, term).toHaveLength(0)
  })

  test('what is forgotten, expired or not yet true is not found', async () => {
    const ada = await library(['an umbrella'])
    await product().call(ada, 'POST', '/store', { coord: '1', payload: { text: 'another umbrella' } })
    await product().call(ada, 'POST', '/v1/memories', { text: 'umbrella of tomorrow', valid_from: '2999-01-01' })
    await product().call(ada, 'DELETE', '/memories/1')
    expect((await search(ada, { term: 'umbrella' })).body.results).toEqual([{ text: 'an umbrella' }])
    expect((await search(ada, { term: 'umbrell', exact: false })).body.results).toEqual([{ text: 'an umbrella' }])
  })

  test('beyond what one search looks at the answer says that it is not complete, and the newest are looked at', async () => {
    const ada = await library(['the oldest has a quokka and a marble'])
    await product().local.db.owner.maintenance(async (sql) => {
      // memories and postings beyond the bound, without storing each
      await sql.query(`insert into memories select m.tenant_id, nextval('memory_key_seq'), gen_random_uuid(), 1, m.namespace_key, null, null, m.tokenizer, 2, 10, 1, now(), now(), m.created_xid,
        now(), null, null, null, null, null, m.namespace, null, null, null, null, null, null, 'episodic', null, null, 'a marble ' || g
        from memories m cross join generate_series(1, ${keywordBounds.memories + 1}) g where m.tenant_id = ${ada.tenantId}`)
      await sql.query(
        `insert into postings (tenant_id, namespace_key, memory_key, user_key, tf, len, term) select m.tenant_id, m.namespace_key, m.memory_key, null, 1, 2, 'marbl' from memories m where m.tenant_id = ${ada.tenantId} and m.text like 'a marble %'`,
      )
    })
    const rare = await search(ada, { term: 'quokka' })
    expect(rare.body).toEqual({ results: [{ text: 'the oldest has a quokka and a marble' }], complete: true })
    expect((await search(ada, { term: 'quokka and a marble' })).body).toEqual(rare.body)
    // no word of it is certain, and the oldest lies behind 10,000 newer ones
    expect((await search(ada, { term: 'okk', exact: false })).body).toEqual({ results: [], complete: false })
    const common = await search(ada, { term: 'marble', top_k: 3 })
    expect(common.body.complete).toBe(false)
    expect(common.body.results).toHaveLength(3)
  })

  test('each bound is taken on its near side and refused on its far side', async () => {
    const ada = await library(['x'])
    for (const [near, far, pointer] of [
      [{ term: 'x'.repeat(1024) }, { term: 'x'.repeat(1025) }, '/term'],
      [{ term: 'x' }, { term: '' }, '/term'],
      [{ term: 'x', top_k: 1 }, { term: 'x', top_k: 0 }, '/top_k'],
      [{ term: 'x', top_k: 100 }, { term: 'x', top_k: 101 }, '/top_k'],
      [{ term: 'x', type: null }, { term: 'x', type: 'dream' }, '/type'],
      [{ term: 'x', exact: false }, { term: 'x', exact: 'no' }, '/exact'],
      [{ term: 'x', case_sensitive: true }, { term: 'x', case_sensitive: 1 }, '/case_sensitive'],
      [{ term: 'x' }, { term: ' \n' }, '/term'],
      [{ term: 'x' }, { term: 'x', filters: {} }, '/filters'],
      [{ term: 'x' }, { terms: ['x'] }, '/term'],
    ] as const) {
      expect((await search(ada, near)).status).toBe(200)
      expectProblem(await search(ada, far), 'invalid', pointer)
    }
    expectProblem(await search(await product().tenant(['memory:write']), { term: 'x' }), 'forbidden')
    expect((await search(await product().tenant(), { term: 'x' })).body).toEqual({ results: [], complete: true })
  })
})
