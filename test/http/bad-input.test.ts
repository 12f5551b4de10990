import { expect, test } from 'vitest'
import { type Caller, describeEngines } from '../support/engines.ts'
import { badCoords, badTimes, bounds, kib, list, timeFields, wrong } from './bad-input.ts'
import { expectNothingWritten, expectProblem, nested } from './checks.ts'

describeEngines('memories that do not fit the contract', (product) => {
  const store = async (caller: Caller, body: unknown) => product().call(caller, 'POST', '/v1/memories', body)
  const bulk = async (caller: Caller, body: unknown) => product().call(caller, 'POST', '/v1/memories/bulk', body)

  test.each(bounds)('%s is stored, and what lies just beyond is refused by the single and the bulk store', async (_name, good, bad, pointer) => {
    const ada = await product().tenant()
    const stored = await store(ada, good)
    expect(stored.status, stored.text.slice(0, 300)).toBe(201)
    await expectNothingWritten(product(), async () => {
      expectProblem(await store(ada, bad), 'invalid', pointer)
      expectProblem(await bulk(ada, { items: [{ text: 'fine' }, bad, { text: 'fine too' }] }), 'invalid', `/items/1${pointer}`)
    })
  })

  test('each field of a wrong type and each field that is none is named, and nothing is stored', async () => {
    const ada = await product().tenant()
    await expectNothingWritten(product(), async () => {
      for (const [body, pointer] of wrong) expectProblem(await store(ada, body), 'invalid', pointer)
      for (const coord of badCoords) expectProblem(await store(ada, { text: 'x', coord }), 'invalid', '/coord')
      for (const coord of badCoords) expectProblem(await product().call(ada, 'POST', '/store', { coord, payload: { a: 1 } }), 'invalid', '/coord')
      for (const field of timeFields) for (const time of badTimes) expectProblem(await store(ada, { text: 'x', [field]: time }), 'invalid', `/${field}`)
    })
  })

  test('a bulk takes 1 to 500 items, and one bad item in 500 stores none', async () => {
    const ada = await product().tenant()
    expect((await bulk(ada, { items: list(500, { text: 'x' }) })).body.created).toBe(500)
    await expectNothingWritten(product(), async () => {
      expectProblem(await bulk(ada, { items: list(501, { text: 'x' }) }), 'invalid', '/items')
      expectProblem(await bulk(ada, { items: [] }), 'invalid', '/items')
      expectProblem(await bulk(ada, { items: 'x' }), 'invalid', '/items')
      expectProblem(await bulk(ada, { items: [{ text: 'x' }], atomic: 'no' }), 'invalid', '/atomic')
      expectProblem(await bulk(ada, { items: [{ text: 'x' }], dry_run: true }), 'invalid', '/dry_run')
      expectProblem(await bulk(ada, { items: [...list(499, { text: 'x' }), null] }), 'invalid', '/items/499')
      expectProblem(await product().call(ada, 'POST', '/store_bulk', { items: list(501, { coord: '1', payload: {} }) }), 'invalid', '/items')
    })
  })

  test('not atomic: the good items are stored, and each bad one says why', async () => {
    const ada = await product().tenant()
    const answer = await bulk(ada, { atomic: false, items: wrong.slice(0, 30).flatMap(([bad]) => [bad, { text: 'fine' }]) })
    expect(answer.body).toMatchObject({ created: 30, failed: 30 })
    for (const one of answer.body.results.filter((result: { status: string }) => result.status === 'failed')) expect(one.problem).toMatchObject({ code: 'invalid', status: 422 })
  })

  test('a number that a double holds and a float does not is refused or kept, never a fault', async () => {
    const ada = await product().tenant()
    const stored = await store(ada, { text: 'x', importance: 1e-300, payload: { tiny: 5e-324, large: 1.7976931348623157e308 } })
    expect(stored.status === 201 || stored.body.code === 'invalid', stored.text).toBe(true)
  })

  test('a memory within the limits may be escaped to ASCII, as many clients do', async () => {
    const ada = await product().tenant()
    const escaped = `{"messages":[{"role":"user","content":"${'\\u5b57'.repeat(200 * kib)}"}]}`
    const stored = await product().call(ada, 'POST', '/v1/memories', escaped)
    expect(stored.status, stored.text.slice(0, 300)).toBe(201)
  })

  test('a patch obeys the same limits, and a refused one leaves the version as it was', async () => {
    const ada = await product().tenant()
    const { body } = await store(ada, { text: 'x', metadata: { a: 'x'.repeat(10 * kib) }, valid_from: '2026-01-01' })
    const patches: [unknown, string][] = [
      [{}, ''],
      [{ text: null }, '/text'],
      [{ text: '' }, '/text'],
      [{ messages: [] }, '/messages'],
      [{ metadata: { b: 'x'.repeat(10 * kib) } }, '/metadata'],
      [{ metadata: nested(7) }, '/metadata'],
      [{ valid_to: '2025-01-01' }, '/valid_to'],
      [{ user_id: 'eve' }, '/user_id'],
      [{ namespace: 'other' }, '/namespace'],
      [{ version: 9 }, '/version'],
      [JSON.parse('{"importance":1,"__proto__":{"a":1}}'), '/__proto__'],
      [{ payload: { p: 'x'.repeat(256 * kib) } }, '/payload'],
    ]
    await expectNothingWritten(product(), async () => {
      for (const [patch, pointer] of patches) expectProblem(await product().call(ada, 'PATCH', `/v1/memories/${body.id}`, patch), 'invalid', pointer)
    })
    expect((await product().call(ada, 'GET', `/v1/memories/${body.id}`)).body.version).toBe(1)
  })
})
