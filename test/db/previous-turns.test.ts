import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Caller, describeEngines } from '../support/engines.ts'
import { answersOf } from '../support/model-server.ts'
import { asked, checkTurns, cosine, dimension, startTurnServer, stopTurnServer, turn, turnServer } from '../support/turns.ts'
import { adminSql, loseWakeUps } from './admin.ts'

afterAll(stopTurnServer)

describeEngines(
  'a vector of a turn with the one before it',
  (product) => {
    let ada: Caller
    beforeAll(() => loseWakeUps(product()))
    beforeEach(async () => {
      ada = await product().tenant()
      turnServer().before = async () => 200
      await product().settle()
      asked()
    })
    const store = async (items: object[], caller = ada): Promise<string[]> => {
      const { status, body } = await product().call(caller, 'POST', '/v1/memories/bulk', { items })
      expect(status).toBe(200)
      return body.results.map((one: { id: string }) => one.id)
    }
    const says = (id: string | undefined, patch: object) => product().call(ada, 'PATCH', `/v1/memories/${id}`, patch)
    const forget = (id: string | undefined) => product().call(ada, 'DELETE', `/v1/memories/${id}`)
    const stateOf = async (id: string | undefined) => (await product().call(ada, 'GET', `/v1/memories/${id}`)).body.index_state
    const right = (vectors: number) => ({ vectors, waiting: [], wrong: [] })
    /** Six turns, indexed. */
    const dialogue = async () => {
      const ids = await store(['tea', 'with milk', 'a kettle', 'the stove', 'a cup', 'some cake'].map((text, n) => turn(n, text)))
      await product().settle()
      asked()
      return ids
    }
    /** How many vectors hold something of a memory. */
    const held = async (id: string | undefined) =>
      (
        await adminSql<{ n: number }>(
          product(),
          `select count(*)::integer as n from vectors v where v.tenant_id = $1::integer and v.context_key = (
        select coalesce((select m.memory_key from memories m where m.tenant_id = $1::integer and m.id = $2::uuid),
          (select h.memory_key from memory_versions h where h.tenant_id = $1::integer and h.id = $2::uuid limit 1)))`,
          [ada.tenantId, id],
        )
      )[0]?.n

    describe('is made once', () => {
      test('of a bulk of many turns, more than a drain takes at once, in whatever order they come', async () => {
        const items = Array.from({ length: 450 }, (_, n) => turn(n, `sentence number ${n}`, { session_id: `s-${n % 3}` }))
        await store([...items.slice(300), ...items.slice(0, 40)])
        await store(items.slice(40, 300).reverse())
        await product().settle()
        const texts = asked()
        expect(texts).toHaveLength(450)
        expect(texts).toContain('Ben: sentence number 441\nAda: sentence number 444')
        expect(await checkTurns(product(), ada)).toEqual(right(450))
      })

      test('of what has no session and no speaker: by itself', async () => {
        await store([{ text: 'first' }, { text: 'second' }, turn(0, 'third', { session_id: undefined }), turn(1, 'fourth', { speaker: undefined })])
        await product().settle()
        expect(asked()).toEqual(['first', 'second', 'Ada: third', 'fourth'])
      })

      test('of several sessions of one name, each by itself: no other user, agent or namespace gets into it', async () => {
        await store([
          turn(0, 'mine'),
          turn(1, 'of Eve', { user_id: 'eve' }),
          turn(2, 'of an agent', { agent_id: 'a' }),
          turn(3, 'elsewhere', { namespace: 'other' }),
          turn(4, 'mine again'),
        ])
        const bob = await product().tenant()
        await store([turn(5, 'of another tenant')], bob)
        await product().settle()
        expect(asked().sort()).toEqual(['Ada: mine', 'Ada: mine\nAda: mine again', 'Ada: of an agent', 'Ben: elsewhere', 'Ben: of Eve', 'Ben: of another tenant'])
      })
    })

    describe('is gone at once, and made again', () => {
      test('when that one says something else', async () => {
        const [, second, third] = await dialogue()
        expect(await held(second)).toBe(1)
        expect((await says(second, { text: 'with lemon' })).status).toBe(200)
        expect(await held(second)).toBe(0)
        expect(await stateOf(third)).toBe('pending')
        expect(asked()).toEqual([])
        await product().settle()
        expect(asked().sort()).toEqual(['Ada: tea\nBen: with lemon', 'Ben: with lemon\nAda: a kettle'])
        expect(await checkTurns(product(), ada)).toEqual(right(6))
      })

      test('when that one is forgotten: from the answer on no vector holds it', async () => {
        const [, second, third] = await dialogue()
        expect((await forget(second)).status).toBe(204)
        expect(await held(second)).toBe(0)
        expect(await stateOf(third)).toBe('pending')
        await product().settle()
        expect(asked()).toEqual(['Ada: tea\nAda: a kettle'])
        expect(await checkTurns(product(), ada)).toEqual(right(5))
      })

      test('when many are forgotten at once, by a filter', async () => {
        await dialogue()
        const filters = { text: { in: ['tea', 'with milk', 'the stove'] } }
        const { body } = await product().call(ada, 'POST', '/v1/memories/forget', { filters })
        expect(body.matched).toBe(3)
        expect((await product().call(ada, 'POST', '/v1/memories/forget', { filters, dry_run: false, confirm: body.confirm })).body).toMatchObject({ deleted: 3 })
        await product().settle()
        expect(asked().sort()).toEqual(['Ada: a kettle', 'Ada: a kettle\nAda: a cup'])
        expect(await checkTurns(product(), ada)).toEqual(right(3))
      })

      test('when that one moves to another session: there it follows, and here somebody else is followed', async () => {
        const items = ['tea', 'with milk', 'a kettle'].map((text, n) => turn(n, text, { coord: String(n) }))
        await store(items)
        await product().settle()
        asked()
        await store([{ ...items[1], session_id: 'another' }])
        await product().settle()
        expect(asked().sort()).toEqual(['Ada: tea\nAda: a kettle', 'Ben: with milk'])
        expect(await checkTurns(product(), ada)).toEqual(right(3))
      })

      test('when a turn comes in between', async () => {
        await dialogue()
        await store([turn(2.5, 'wait', { speaker: 'Eve' })])
        await product().settle()
        expect(asked().sort()).toEqual(['Ada: a kettle\nEve: wait', 'Eve: wait\nBen: the stove'])
        expect(await checkTurns(product(), ada)).toEqual(right(7))
      })
    })

    describe('while it is made', () => {
      /** Does something in the middle of the next request, once. */
      const during = (work: () => Promise<unknown>) => {
        let once = true
        turnServer().before = async () => {
          if (once) {
            once = false
            await work()
          }
          return 200
        }
      }

      test('does not get what is forgotten meanwhile', async () => {
        const [, , , , , last] = await dialogue()
        await store([turn(6, 'with cream')])
        const texts: string[][] = []
        during(async () => {
          expect((await forget(last)).status).toBe(204)
          texts.push(...turnServer().asked)
        })
        await product().settle()
        expect(texts.flat()).toEqual(['Ben: some cake\nAda: with cream'])
        expect(await held(last)).toBe(0)
        expect(await checkTurns(product(), ada)).toEqual(right(6))
      })

      test('gets what comes in between meanwhile, before its own event is seen', async () => {
        await dialogue()
        await store([turn(8, 'with cream')])
        during(() => store([turn(7, 'and honey')]))
        await product().settle()
        expect(asked()).toEqual(['Ben: some cake\nAda: with cream', 'Ben: and honey\nAda: with cream'])
        expect(await checkTurns(product(), ada)).toEqual({ vectors: 7, waiting: ['and honey'], wrong: [] })
        await product().settle()
        expect(asked()).toEqual(['Ben: some cake\nBen: and honey'])
        expect(await checkTurns(product(), ada)).toEqual(right(8))
      })

      test('is found by what was said before it, as it will be when it is indexed', async () => {
        await store([turn(0, 'Where is the umbrella?'), turn(1, 'Behind the door.')])
        const { body } = await product().call(ada, 'POST', '/v1/recall', { query: 'umbrella', mode: 'vector', explain: true })
        const [query, first, second] = answersOf(['umbrella', 'Ada: Where is the umbrella?', 'Ada: Where is the umbrella?\nBen: Behind the door.'], dimension) as [
          Float32Array,
          Float32Array,
          Float32Array,
        ]
        expect(body.results.map((one: { text: string }) => one.text)).toEqual(['Where is the umbrella?', 'Behind the door.'])
        const cosines = body.results.map((one: { explain: { cosine: number } }) => one.explain.cosine)
        for (const [i, vector] of [first, second].entries()) expect(cosines[i]).toBeCloseTo(cosine(query, vector), 3)
        await product().settle()
        const indexed = await product().call(ada, 'POST', '/v1/recall', { query: 'umbrella', mode: 'vector', explain: true })
        for (const [i, one] of indexed.body.results.entries()) expect(one.explain.cosine).toBeCloseTo(cosines[i], 2)
      })
    })

    describe('stays', () => {
      test('when that one is tagged, or superseded: it said what it said', async () => {
        const [, second, third] = await dialogue()
        await says(second, { tags: ['drink'] })
        await store([{ text: 'with lemon, from now on', supersedes: second }])
        expect(await held(second)).toBe(1)
        expect(await stateOf(third)).toBe('indexed')
        await product().settle()
        expect(asked().sort()).toEqual(['Ada: tea\nBen: with milk', 'with lemon, from now on'])
        expect(await checkTurns(product(), ada)).toEqual(right(7))
        // and goes with it all the same
        await forget(second)
        expect(await held(second)).toBe(0)
      })

      test('without one that is to expire before it', async () => {
        const soon = { expires_at: '2999-01-01T00:00:00Z' }
        const ids = await store([turn(0, 'for ever'), turn(1, 'for a while', soon), turn(2, 'for ever again'), turn(3, 'shorter', { expires_at: '2998-01-01T00:00:00Z' })])
        await product().settle()
        expect(asked()).toEqual(['Ada: for ever', 'Ada: for ever\nBen: for a while', 'Ada: for ever again', 'Ada: for ever again\nBen: shorter'])
        await adminSql(product(), `update memories set expires_at = now() - interval '1 s' where tenant_id = $1::integer and id = $2::uuid`, [ada.tenantId, ids[1]])
        await product().local.runJob('expire')
        await product().settle()
        expect(asked()).toEqual(['Ada: for ever\nAda: for ever again'])
        expect(await checkTurns(product(), ada)).toEqual(right(3))
      })
    })

    test('looks back: as of an instant the turn is asked as it was then, and what was forgotten is in no vector of now', async () => {
      const [first, second] = await store([turn(0, 'the old harbour'), turn(1, 'yes, there')])
      await product().settle()
      const [row] = await adminSql<{ now: string }>(product(), `select to_json(clock_timestamp()) #>> '{}' as now`)
      await says(second, { text: 'no, elsewhere' })
      await forget(first)
      await product().settle()
      const look = async (more: object) => (await product().call(ada, 'POST', '/v1/recall', { query: 'harbour', mode: 'vector', explain: true, ...more })).body.results
      const [then] = answersOf(['harbour', 'Ada: the old harbour\nBen: yes, there'].slice(1), dimension) as [Float32Array]
      const [query] = answersOf(['harbour'], dimension) as [Float32Array]
      const before = await look({ as_of: row?.now })
      expect(before.map((one: { text: string }) => one.text)).toEqual(['the old harbour', 'yes, there'])
      expect(before[1].explain.cosine).toBeCloseTo(cosine(query, then), 2)
      const now = await look({})
      expect(now.map((one: { text: string }) => one.text).filter((text: string) => text !== 'no, elsewhere')).toEqual([])
      expect(JSON.stringify(now)).not.toContain('harbour')
      expect(await checkTurns(product(), ada)).toEqual(right(1))
    })
  },
  undefined,
  startTurnServer,
)
