import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AuditRecord, auditTopic } from '../../shared/audit/index.ts'
import { deadLetterHeaders } from '../../shared/kafka/index.ts'
import { adminSql } from '../db/admin.ts'
import { openProduct, type Product } from '../support/engines.ts'
import { requireService } from '../support/services.ts'
import { type Letter, makeTopic, openBroker, produce, readUntil, until } from './broker.ts'

const postgres = requireService('POSTGRES_URL')
const bootstrap = requireService('KAFKA_BOOTSTRAP_SERVERS') as string

describe.skipIf(!postgres || !bootstrap)('the product with a broker between the drain and the consumers', () => {
  let product: Product
  let topic: string
  let close: () => Promise<void>
  beforeAll(async () => {
    topic = await makeTopic(bootstrap)
    const opened = await openProduct('postgres 18', postgres, { KAFKA_BOOTSTRAP_SERVERS: bootstrap, KAFKA_MEMORY_EVENTS_TOPIC: topic })
    product = opened.product
    close = opened.close
    product.local.consume()
  })
  afterAll(() => close?.())

  const indexed = async (key: Parameters<Product['call']>[0], id: string) => (await product.call(key, 'GET', `/v1/memories/${id}`)).body.index_state === 'indexed'
  const projected = (tenantId: number) =>
    adminSql<{ id: string; version: number; type: string }>(product, 'select id, version, type from memory_events where tenant_id = $1::integer order by timestamp, version', [
      tenantId,
    ])

  test('what is stored, changed and forgotten goes through the topic, is projected once a version, and indexed', async () => {
    const ada = await product.tenant()
    const { id } = (await product.call(ada, 'POST', '/v1/memories', { text: 'Ada prefers tea' })).body
    await product.call(ada, 'PATCH', `/v1/memories/${id}`, { text: 'Ada prefers coffee' })
    const gone = (await product.call(ada, 'POST', '/v1/memories', { text: 'forgotten' })).body.id
    await product.call(ada, 'DELETE', `/v1/memories/${gone}`)
    await product.local.runJob('drain-outbox')
    await until(async () => (await projected(ada.tenantId)).length === 4 && (await indexed(ada, id)))
    expect((await projected(ada.tenantId)).filter((row) => row.id === id)).toMatchObject([{ version: 1 }, { version: 2 }])
    expect((await projected(ada.tenantId)).filter((row) => row.id === gone)).toMatchObject([{ type: 'created' }, { type: 'deleted' }])
    const events = await readUntil(bootstrap, topic, (all) => all.length >= 4)
    expect(events.filter((event) => event.key === `${ada.tenant}:${id}`).map((event) => event.headers['memory-version'])).toEqual(['1', '2'])
    const lag = `consumer_lag{group="soma.project-events.${topic}",topic="memory.events",partition="${events[0]?.partition}"} 0\n`
    await until(async () => (await product.call(null, 'GET', '/metrics')).text.includes(lag))
  })

  test('what is sealed of an audit log goes to soma.audit, in the order of its chain', async () => {
    const ada = await product.tenant()
    for (const text of ['one', 'two', 'three']) await product.call(ada, 'POST', '/v1/memories', { text })
    const { detail } = await product.local.runJob('seal-audit')
    expect(detail).toMatchObject({ sealed: expect.any(Number), published: expect.any(Number) })
    const own = (letters: Letter[]) => letters.filter(({ key }) => key === ada.tenant)
    const records = own(await readUntil(bootstrap, auditTopic, (all) => own(all).length >= 3)).map(({ value }) => AuditRecord.parse(JSON.parse(String(value))))
    expect(records.map(({ tenant_id, position, action }) => [tenant_id, position, action])).toEqual([1, 2, 3].map((position) => [ada.tenant, position, 'memory.store']))
    await product.local.runJob('seal-audit')
    const listed = (await product.call(ada, 'GET', '/v1/audit')).body.items.map(({ hash }: { hash: string }) => hash)
    expect(records.map(({ hash }) => hash)).toEqual(listed.toReversed())
  })

  test('what can never be applied goes to the dead letters with its place, byte by byte, and what follows it goes on', async () => {
    const ada = await product.tenant()
    const event = (version: number) => ({
      event_id: crypto.randomUUID(),
      id: '01a1fd1a-0000-7000-8000-000000000001',
      namespace: 'default',
      type: 'created',
      timestamp: new Date().toISOString(),
      payload: { a: 1 },
      tenant_id: ada.tenant,
      version,
      generation: 1,
    })
    const bytes = Buffer.from([0xff, 0xfe, 0x00])
    const values = [JSON.stringify(event(1)), '{"half":', bytes, JSON.stringify({ ...event(2), tenant_id: 'nobody' }), null, JSON.stringify(event(3))]
    const sent = await produce(
      bootstrap,
      topic,
      values.map((value) => ({ key: 'k', value, partition: 0, headers: { 'event-id': 'kept' } })),
    )
    const base = Number(sent[0]?.baseOffset)
    await until(async () => (await projected(ada.tenantId)).length === 2)
    expect((await projected(ada.tenantId)).map((row) => row.version)).toEqual([1, 3])
    const own = (letters: { headers: Record<string, string> }[]) => letters.filter((letter) => letter.headers[deadLetterHeaders.consumer] === 'project-events')
    const letters = own(await readUntil(bootstrap, `${topic}.dlq`, (all) => own(all).length >= 3))
    const reasons = [/not JSON/, /not UTF-8/, /no tenant/]
    expect(letters).toMatchObject(
      [base + 1, base + 2, base + 3].map((offset, i) => ({
        key: 'k',
        value: Buffer.from(values[i + 1] as string),
        headers: {
          'event-id': 'kept',
          [deadLetterHeaders.topic]: topic,
          [deadLetterHeaders.partition]: '0',
          [deadLetterHeaders.offset]: String(offset),
          [deadLetterHeaders.reason]: expect.stringMatching(reasons[i] as RegExp),
          [deadLetterHeaders.firstSeen]: expect.stringMatching(/^\d{4}-.*Z$/),
        },
      })),
    )
  })

  test('a record larger than the topic takes is dead in the outbox, and those around it are sent', async () => {
    const ada = await product.tenant()
    const publisher = openBroker(bootstrap, topic)
    const record = (size: number) => ({ topic: 'memory.events', key: `${ada.tenant}:x`, value: 'x'.repeat(size), headers: {} })
    const answers = await publisher.publisher.publish([record(10), record(1_200_000), ...Array.from({ length: 5 }, () => record(400_000)), record(10)])
    expect(answers.map((answer) => answer?.poison ?? null)).toEqual([null, true, null, null, null, null, null, null])
    await publisher.close()
  })
})
