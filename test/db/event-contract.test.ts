import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { MemoryEvent, parseRecord } from '../../shared/outbox/index.ts'
import { describeEngines } from '../support/engines.ts'
import { capture, loseWakeUps } from './admin.ts'

const file = JSON.parse(readFileSync('shared/outbox/memory.event.json', 'utf8'))
const byFile = z.fromJSONSchema(file)
const required = {
  event_id: '019a0000-0000-7000-8000-000000000001',
  id: '019a0000-0000-7000-8000-000000000002',
  namespace: 'default',
  type: 'created',
  timestamp: '2026-01-31T12:00:00.000Z',
  payload: { text: 'hello' },
}

describe('the event contract', () => {
  test('shared/outbox/memory.event.json is the JSON Schema of what the product validates with', () => {
    expect(file).toEqual(JSON.parse(JSON.stringify(z.toJSONSchema(MemoryEvent))))
  })

  test('it is JSON Schema 2020-12 and takes the six required fields, the six optional ones and nothing else', () => {
    expect(file).toMatchObject({ $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object', additionalProperties: false })
    expect(file.required).toEqual(['event_id', 'id', 'namespace', 'type', 'timestamp', 'payload'])
    const optional = Object.keys(file.properties).filter((name) => !file.required.includes(name))
    expect(optional).toEqual(['importance', 'embedding', 'model_revision', 'tenant_id', 'version', 'generation'])
    expect(file.properties.type.enum).toEqual(['created', 'updated', 'deleted', 'linked', 'unlinked', 'erased'])
  })

  test.each([
    ['the required fields alone', required, true],
    ['epoch seconds', { ...required, timestamp: 1767225600.5 }, true],
    ['every optional field', { ...required, importance: 0.5, embedding: [0.1], model_revision: 'm', tenant_id: 't', version: 1, generation: 1 }, true],
    ['one field more', { ...required, text: 'x' }, false],
    ['a missing field', { ...required, payload: undefined }, false],
    ['another type', { ...required, type: 'stored' }, false],
    ['an id that is none', { ...required, id: '1,2,3' }, false],
    ['a time that is none', { ...required, timestamp: 'yesterday' }, false],
    ['version 0', { ...required, version: 0 }, false],
    ['a payload that is a list', { ...required, payload: [] }, false],
  ])('the file and the product agree about %s', (_name, value, valid) => {
    const sent = JSON.parse(JSON.stringify(value))
    expect([byFile.safeParse(sent).success, MemoryEvent.safeParse(sent).success]).toEqual([valid, valid])
  })
})

describeEngines('published events', (product) => {
  beforeAll(() => loseWakeUps(product()))

  test('every event fits the schema, and its key and headers say whose, which and how old it is', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const payload = await call(ada, 'POST', '/v1/memories', { payload: { note: 'a payload', list: [1, null] }, namespace: 'n', importance: 2.5 }, { traceparent })
    const text = await call(ada, 'POST', '/v1/memories', { text: 'a text' })
    const messages = await call(ada, 'POST', '/v1/memories', { messages: [{ role: 'user', content: 'a message' }] })
    await call(ada, 'PATCH', `/v1/memories/${text.body.id}`, { text: 'another text' })
    await call(ada, 'DELETE', `/v1/memories/${text.body.id}`)
    const outbox = capture(product())
    await outbox.drain()
    const records = outbox.of(ada)
    const events = records.map((record) => JSON.parse(record.value as string))
    expect(events.filter((event) => !byFile.safeParse(event).success)).toEqual([])
    expect(records.map(parseRecord)).toEqual(events)
    expect(events.map(({ id, type, version, payload: content }) => [id, type, version, content])).toEqual([
      [payload.body.id, 'created', 1, { note: 'a payload', list: [1, null] }],
      [text.body.id, 'created', 1, { text: 'a text' }],
      [messages.body.id, 'created', 1, { text: 'a message', messages: [{ role: 'user', content: 'a message' }] }],
      [text.body.id, 'updated', 2, { text: 'another text' }],
      [text.body.id, 'deleted', 3, {}],
    ])
    expect(events[0]).toMatchObject({ namespace: 'n', importance: 2.5, tenant_id: ada.tenant, generation: 1 })
    const [first] = records
    expect(first?.topic).toBe('memory.events')
    expect(first?.key).toBe(`${ada.tenant}:${payload.body.id}`)
    expect(first?.headers).toEqual({
      'event-id': events[0].event_id,
      'tenant-id': ada.tenant,
      'memory-version': '1',
      generation: '1',
      'schema-version': '1',
      'dedupe-key': events[0].event_id,
      'event-created-at': events[0].timestamp,
      traceparent,
    })
  })

  test('a superseding store publishes the change of the older memory too', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const older = await call(ada, 'POST', '/v1/memories', { text: 'older' })
    const newer = await call(ada, 'POST', '/v1/memories', { text: 'newer', supersedes: older.body.id })
    const outbox = capture(product())
    await outbox.drain()
    const events = outbox.of(ada).map((record) => JSON.parse(record.value as string))
    expect(events.map(({ id, type, version }) => [id, type, version])).toEqual([
      [older.body.id, 'created', 1],
      [newer.body.id, 'created', 1],
      [older.body.id, 'updated', 2],
    ])
  })
})
