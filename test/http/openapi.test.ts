import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { openApiText } from '../../local/openapi.ts'
import { type Operation, operations } from '../../shared/http/index.ts'
import { createOperation } from '../../shared/operation/index.ts'
import { described, document, expectDescribed, validatorAt } from '../support/document.ts'
import { type Answer, type Caller, describeEngines } from '../support/engines.ts'
import { inFiles } from '../support/transfers.ts'
import { systemKey } from './checks.ts'

describe('the OpenAPI document', () => {
  test('is the committed docs/openapi.json: after a change of a schema run `npx node local/openapi.ts`', () => {
    expect(readFileSync('docs/openapi.json', 'utf8') === openApiText()).toBe(true)
  })

  test('holds schemas that JSON Schema 2020-12 can be compiled from', () => {
    for (const name of Object.keys(document.components.schemas)) expect(() => validatorAt('components', 'schemas', name)).not.toThrow()
  })

  test('names every component once, and refers to no other', () => {
    for (const [, reference = ''] of JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)) {
      const target = reference
        .slice(2)
        .split('/')
        .reduce<unknown>((at, step) => (at as Record<string, unknown>)?.[step], document)
      expect(target, reference).toBeDefined()
    }
  })

  test.each(operations)('$id has an answer, and an example wherever it takes a body or needs a parameter', (operation) => {
    expect(operation.success === 204 || operation.answer || operation.answerType).toBeTruthy()
    if (operation.body) expect(operation.example).toBeDefined()
    for (const { in: place, required, example } of described(operation).parameters) if (place === 'query' && required) expect(example).toBeDefined()
  })
})

const exampleId = /01a1fd1a-[0-9a-f-]{27}/g

/** What deletes or suspends comes last, so that the others have something to find. */
const inOrder = operations.toSorted((a, b) => Number(a.method === 'DELETE') - Number(b.method === 'DELETE'))

/** A path parameter is its example, or what an earlier answer of the same collection called its id or its name. */
function pathOf({ path, query = {}, params = {} }: Operation, made: Map<string, Record<string, string>>): string {
  const collection = /^(\/v1)?\/[^/]+/.exec(path)?.[0] ?? ''
  const search = Object.entries(query).flatMap(([name, given]) =>
    typeof given === 'string' || given.example === undefined ? [] : [[name, String(given.example)] as [string, string]],
  )
  return (
    path.replaceAll(/:(\w+)/g, (_, name: string) => String(params[name]?.example ?? made.get(collection)?.[name] ?? '')) + (search.length ? `?${new URLSearchParams(search)}` : '')
  )
}

describeEngines(
  'the examples of the document',
  (product) => {
    const answered = new Map<string, Answer>()
    let memory: Caller

    beforeAll(async () => {
      memory = await product().tenant()
      const platform = await systemKey(product())
      // no example is large enough to leave an operation behind
      const operationId = await product().local.db.app.transaction({ role: 'soma_app', tenantId: memory.tenantId }, (tx) =>
        createOperation(tx, product().ctx(memory), 'forget', { keys: [], versions: [] }),
      )
      const made = new Map<string, Record<string, string>>([['/v1/operations', { id: operationId }]])
      // an id that stands in an example is that of some memory
      const ends = await Promise.all(['one end', 'the other'].map((text) => product().call(memory, 'POST', '/v1/memories', { text })))
      const real = (text: string) => [...new Set(text.match(exampleId))].reduce((all, id, i) => all.replaceAll(id, ends[i]?.body.id), text)
      for (const operation of inOrder) {
        const caller = operation.scope === undefined ? null : operation.scope.startsWith('platform:') ? platform : memory
        const headers: Record<string, string> = operation.bodyType ? { 'content-type': operation.bodyType } : {}
        const example = JSON.parse(real(JSON.stringify(operation.example ?? null))) ?? undefined
        const answer = await product().call(caller, operation.method, real(pathOf(operation, made)), example, headers)
        answered.set(operation.id, answer)
        if (operation.method === 'POST' && answer.status < 300 && (answer.body?.id ?? answer.body?.name) !== undefined) made.set(operation.path, answer.body)
        // what goes on after its answer goes on before the next one
        if (answer.status === 202) await product().local.runJob('run-operations')
      }
    })

    test.each(operations)('$id does what it says, and its answer is the one described', (operation) => {
      const answer = answered.get(operation.id) as Answer
      expect(answer.status, answer.text.slice(0, 300)).toBe(operation.success)
      expectDescribed(operation, answer)
    })

    test('an answer with a field more, one less or of another type is not the one described', () => {
      const operation = operations.find(({ id }) => id === 'createKey') as Operation
      const answer = answered.get('createKey') as Answer
      const { name: _name, ...less } = answer.body
      for (const body of [{ ...answer.body, more: 1 }, less, { ...answer.body, created_at: 'now' }]) expect(() => expectDescribed(operation, { ...answer, body })).toThrow()
      expect(() => expectDescribed(operation, { ...answer, status: 202 })).toThrow()
      expect(() => expectDescribed(operation, { ...answer, headers: new Headers() })).toThrow()
    })

    test('a recall finds what the example stored', async () => {
      const { body } = await product().call(memory, 'POST', '/v1/recall', { query: 'where did Ada move?', user_id: 'ada' })
      expect(body.results.map((one: { text: string }) => one.text)).toContain('Ada moved to Lisbon')
    })

    test('answers of every other kind are the ones described', async () => {
      const ada = await product().tenant()
      const byId = (id: string) => operations.find((operation) => operation.id === id) as Operation
      const check = async (id: string, status: number, path: string, body?: unknown, headers?: Record<string, string>) => {
        const answer = await product().call(ada, byId(id).method, path, body, headers)
        expect(answer.status, answer.text).toBe(status)
        expectDescribed(byId(id), answer)
        return answer
      }
      const full = {
        messages: [{ role: 'user', content: 'Ada likes tea', name: 'Ada', at: '2026-01-01' }],
        payload: { a: [1, { b: null }] },
        metadata: { deep: { x: 1 } },
        tags: ['a'],
        coord: '1,2',
        user_id: 'u',
        agent_id: 'a',
        app_id: 'p',
        run_id: 'r',
        session_id: 's',
        language: 'en',
        valid_from: '2026-01-01',
        ttl_seconds: 3600,
        importance: 3,
      }
      const { body: first } = await check('storeMemory', 201, '/v1/memories', full, { 'idempotency-key': 'k' })
      expect((await check('storeMemory', 201, '/v1/memories', full, { 'idempotency-key': 'k' })).headers.get('idempotent-replayed')).toBe('true')
      await check('storeMemory', 409, '/v1/memories', { text: 'other' }, { 'idempotency-key': 'k' })
      await check('storeMemory', 200, '/v1/memories', { ...full, text: 'the next version' })
      await check('storeMemory', 201, '/v1/memories', { text: 'successor', supersedes: first.id })
      await check('storeMemory', 409, '/v1/memories', { text: 'another', supersedes: first.id })
      await check('storeMemory', 422, '/v1/memories', { text: 'x', nothing: 1 })
      await check('storeMemory', 415, '/v1/memories', 'text', { 'content-type': 'text/plain' })
      await check('storeMemory', 400, '/v1/memories', '{')
      await check('storeMemory', 403, '/v1/memories', { text: 'x' }, { 'x-tenant-id': 'another' })
      await check('storeMemory', 401, '/v1/memories', { text: 'x' }, { authorization: 'Bearer nothing' })
      await check('storeMemories', 200, '/v1/memories/bulk', {
        atomic: false,
        items: [{ text: 'x', idempotency_key: '1' }, { text: 1 }, { text: 'x', idempotency_key: '1' }, { text: 'y', coord: '1,2' }],
      })
      await check('patchMemory', 412, `/v1/memories/${first.id}`, { importance: 1 }, { 'if-match': '"1"' })
      await check('getMemory', 404, '/v1/memories/nothing')
      await check('recall', 422, '/v1/recall', { query: 'x', user_id: 'a', filters: { user_id: 'b' } })
      await product().settle()
      await check('recall', 200, '/v1/recall', { query: 'the next version', explain: true })
      await check('recall', 200, '/v1/recall', { query: 'Ada', mode: 'vector', weights: { recency: 0.5, importance: 0.5 }, explain: true })
      const { body: gone } = await check('storeMemory', 201, '/v1/memories', { text: 'to forget' })
      await check('forgetMemory', 204, `/v1/memories/${gone.id}`)
      for (const id of [first.id, gone.id]) await check('memoryHistory', 200, `/v1/memories/${id}/history`)
      await check('listMemories', 200, '/v1/memories/list', { limit: 1 })
    })
  },
  ['pglite', 'postgres 18'],
  inFiles,
)
