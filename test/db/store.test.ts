import { expect, test } from 'vitest'
import { describeEngines } from '../support/engines.ts'

describeEngines('storing', (product) => {
  test('a stored memory comes back by id and by its words at once', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const stored = await call(ada, 'POST', '/v1/memories', { text: 'The red fox jumps over the river', user_id: 'u' })
    expect(stored.status).toBe(201)
    expect((await call(ada, 'GET', `/v1/memories/${stored.body.id}`)).body).toEqual(stored.body)
    const found = await call(ada, 'POST', '/v1/recall', { query: 'foxes jumping', user_id: 'u' })
    expect(found.body.results.map((one: { id: string }) => one.id)).toEqual([stored.body.id])
  })
})
