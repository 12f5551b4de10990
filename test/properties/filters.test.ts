import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { type Caller, describeEngines } from '../support/engines.ts'
import { type Memory, matches } from './evaluate.ts'
import { filter, memory } from './memories-and-filters.ts'

const numRuns = process.env.SOMA_FULL === '1' ? 2_000 : 200

describeEngines('any filter', (product) => {
  let ada: Caller
  let run = 0
  beforeAll(async () => {
    ada = await product().tenant()
  })

  test('chooses the memories that it chooses when it is read plainly, in list and in recall', async () => {
    const { call } = product()
    await fc.assert(
      fc.asyncProperty(fc.array(memory, { minLength: 1, maxLength: 6 }), fc.array(filter, { minLength: 3, maxLength: 3 }), async (memories, filters) => {
        const namespace = `run ${run++}`
        const stored = await call(ada, 'POST', '/v1/memories/bulk', { items: memories.map((one) => ({ ...one, namespace })) })
        expect([stored.status, stored.body.errors]).toEqual([200, undefined])
        const all: Memory[] = (await call(ada, 'POST', '/v1/memories/list', { namespace })).body.items
        expect(all).toHaveLength(memories.length)
        for (const [i, one] of filters.entries()) {
          const expected = all.filter((candidate) => matches(one, candidate)).map(({ id }) => id)
          const list = await call(ada, 'POST', '/v1/memories/list', { namespace, filters: one })
          expect([list.status, list.body.items?.map(({ id }: Memory) => id), list.body.errors]).toEqual([200, expected, undefined])
          if (i > 0) continue
          const recall = await call(ada, 'POST', '/v1/recall', { namespace, query: 'x', mode: 'lexical', filters: one })
          expect(recall.body.results.map(({ id }: Memory) => id).sort()).toEqual(expected.toSorted())
        }
      }),
      { numRuns },
    )
  }, 1_200_000)
})
