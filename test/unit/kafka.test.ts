import { describe, expect, test } from 'vitest'
import { kafkaConnection, parseConfig } from '../../shared/config/index.ts'
import type { EventRecord } from '../../shared/handler/index.ts'
import { applyKafkaEvent, isKafkaEvent } from '../../shared/host/kafka-event.ts'
import { applyInOrder, brokerTopic, groupId, type Received } from '../../shared/kafka/index.ts'

const servers = { KAFKA_BOOTSTRAP_SERVERS: 'kafka://b-1.msk:9098, b-2.msk:9098' }
const connectionOf = (more: Record<string, string>) => kafkaConnection(parseConfig({ ...servers, ...more }))

describe('the connection', () => {
  test('is plain by default, and TLS as soon as there are credentials', () => {
    const brokers = ['b-1.msk:9098', 'b-2.msk:9098']
    expect(kafkaConnection(parseConfig({}))).toBeUndefined()
    expect(connectionOf({})).toEqual({ brokers, tls: false, caLocation: undefined, sasl: undefined })
    const credentials = { KAFKA_SASL_USERNAME: 'ada', KAFKA_SASL_PASSWORD: 'secret' }
    const sasl = { mechanism: 'scram-sha-512', username: 'ada', password: 'secret' }
    expect(connectionOf({ ...credentials, KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512' })).toMatchObject({ tls: true, sasl })
    expect(connectionOf({ ...credentials, KAFKA_SASL_MECHANISM: 'scram-sha-512', KAFKA_SECURITY_PROTOCOL: 'sasl_plaintext' })).toMatchObject({ tls: false, sasl })
    expect(connectionOf({ KAFKA_SASL_MECHANISM: 'aws-msk-iam', AWS_REGION: 'eu-west-1' })).toMatchObject({ tls: true, sasl: { mechanism: 'aws-msk-iam', region: 'eu-west-1' } })
  })

  test.each([
    [{ KAFKA_BOOTSTRAP_SERVERS: 'kafka' }, 'KAFKA_BOOTSTRAP_SERVERS got "kafka": takes host:port'],
    [{ KAFKA_SECURITY_PROTOCOL: 'TLS' }, 'KAFKA_SECURITY_PROTOCOL got "TLS"'],
    [{ KAFKA_SECURITY_PROTOCOL: 'SASL_SSL' }, 'needs KAFKA_SASL_MECHANISM'],
    [{ KAFKA_SECURITY_PROTOCOL: 'SSL', KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: 'a', KAFKA_SASL_PASSWORD: 'b' }, 'takes SASL_SSL or SASL_PLAINTEXT'],
    [{ KAFKA_SASL_MECHANISM: 'gssapi' }, 'KAFKA_SASL_MECHANISM got "gssapi"'],
    [{ KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: 'a' }, 'needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD'],
    [{ KAFKA_SASL_MECHANISM: 'aws-msk-iam' }, 'needs AWS_REGION'],
    [{ KAFKA_SSL_CA_LOCATION: '/ca.pem' }, 'the connection has no TLS'],
    [{ KAFKA_MEMORY_EVENTS_TOPIC: 'my topic' }, 'KAFKA_MEMORY_EVENTS_TOPIC got "my topic"'],
  ])('%j is refused by name', (more, message) => {
    expect(() => connectionOf(more as unknown as Record<string, string>)).toThrow(message)
  })

  test('the password may be a secret, and settings without a broker are told', () => {
    const { secretArns } = parseConfig({ ...servers, KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: 'a', KAFKA_SASL_PASSWORD_SECRET_ARN: 'arn:x' })
    expect(secretArns).toEqual({ KAFKA_SASL_PASSWORD: 'arn:x' })
    expect(parseConfig({ KAFKA_SASL_MECHANISM: 'plain' }).warnings).toEqual(['KAFKA_SASL_MECHANISM is set, but KAFKA_BOOTSTRAP_SERVERS is not: no broker is used.'])
  })
})

test('a renamed topic is renamed with its dead letters, and has groups of its own', () => {
  expect(['memory.events', 'memory.events.dlq', 'soma.audit'].map((topic) => brokerTopic(topic, 'acme.events'))).toEqual(['acme.events', 'acme.events.dlq', 'soma.audit'])
  expect([groupId('project-events', 'memory.events'), groupId('project-events', 'acme.events')]).toEqual(['soma.project-events', 'soma.project-events.acme.events'])
})

/** Bytes as an event source sends them: base64, a header's as signed numbers. */
const base64 = (text: string) => Buffer.from(text).toString('base64')
const signed = (text: string) => [...new Int8Array(Buffer.from(text))]
const sourceRecord = (partition: number, offset: number, value: string | null) => ({
  topic: 'memory.events',
  partition,
  offset,
  timestamp: 1545084650987,
  timestampType: 'CREATE_TIME',
  key: base64(`k${offset}`),
  ...(value === null ? {} : { value: base64(value) }),
  headers: [{ 'event-id': signed('é1') }, { 'tenant-id': signed('ada') }],
})
const sourceEvent = (records: Record<string, ReturnType<typeof sourceRecord>[]>) => ({
  eventSource: 'aws:kafka',
  eventSourceArn: 'arn:aws:kafka:eu-west-1:123456789012:cluster/soma/01a1fd1a',
  bootstrapServers: 'b-2.soma:9098,b-1.soma:9098',
  records,
})

describe("an event source's event", () => {
  async function apply(event: unknown, outcome: (record: EventRecord) => 'done' | 'later' | 'never', buryFails = false) {
    const handed: EventRecord[][] = []
    const buried: string[] = []
    const deps = {
      name: 'project-events',
      topic: 'memory.events',
      batchSize: 2,
      async handler(records: readonly EventRecord[]) {
        handed.push([...records])
        const outcomes = records.map((record, index) => ({ index, as: outcome(record) }))
        return outcomes.filter(({ as }) => as !== 'done').map(({ index, as }) => ({ index, poison: as === 'never', error: new Error(as) }))
      },
      async bury({ partition, offset }: Received, reason: string) {
        if (buryFails) throw new Error('no broker')
        buried.push(`${partition}:${offset} ${reason}`)
      },
      onFailure: () => {},
    }
    return { answer: await applyKafkaEvent(deps, event), handed, buried }
  }

  test('is known from a batch that the drain hands over', () => {
    expect([sourceEvent({}), { records: [] }, null, 'x'].map(isKafkaEvent)).toEqual([true, false, false, false])
  })

  test('is decoded, applied in batches of a partition in order, and answered with nothing to repeat', async () => {
    const event = sourceEvent({ 'memory.events-0': [3, 1, 2].map((offset) => sourceRecord(0, offset, `é${offset}`)), 'memory.events-1': [sourceRecord(1, 7, null)] })
    const { answer, handed } = await apply(event, () => 'done')
    expect(answer).toEqual({ batchItemFailures: [] })
    expect(handed.map((batch) => batch.map((record) => record.value))).toEqual([['é1', 'é2'], ['é3'], [null]])
    expect(handed[0]?.[0]).toEqual({ topic: 'memory.events', key: 'k1', value: 'é1', headers: { 'event-id': 'é1', 'tenant-id': 'ada' } })
  })

  test('names the first offset of each partition that is to come again, by the partition’s name in the event, and takes nothing after it', async () => {
    const offsets = [10, 11, 12, 13, 14]
    const event = sourceEvent({
      'memory.events-0': offsets.map((offset) => sourceRecord(0, offset, String(offset))),
      'memory.events-1': offsets.map((offset) => sourceRecord(1, offset, 'fine')),
    })
    const { answer, handed } = await apply(event, ({ value }) => (value === '11' || value === '14' ? 'later' : 'done'))
    expect(answer).toEqual({ batchItemFailures: [{ itemIdentifier: { partition: 'memory.events-0', offset: 11 } }] })
    expect(handed.flat().map((record) => record.value)).toEqual(['10', '11', 'fine', 'fine', 'fine', 'fine', 'fine'])
  })

  test('has what can never be applied buried, and repeats it only where that failed', async () => {
    const event = sourceEvent({ 'memory.events-2': [sourceRecord(2, 5, 'a'), sourceRecord(2, 6, 'bad'), sourceRecord(2, 7, 'b')] })
    const outcome = ({ value }: EventRecord) => (value === 'bad' ? 'never' : 'done')
    expect(await apply(event, outcome)).toMatchObject({ answer: { batchItemFailures: [] }, buried: ['2:6 never'] })
    expect((await apply(event, outcome, true)).answer).toEqual({ batchItemFailures: [{ itemIdentifier: { partition: 'memory.events-2', offset: 6 } }] })
  })
})

test('what follows a record that may be applied later is neither done nor buried', async () => {
  const messages = ['a', 'later', 'never'].map((value, i): Received => ({ topic: 't', partition: 0, offset: String(i), key: null, value: Buffer.from(value), headers: {} }))
  const buried: string[] = []
  const applied = await applyInOrder(
    async (records) => records.flatMap(({ value }, index) => (value === 'a' ? [] : [{ index, poison: value === 'never', error: new Error(value as string) }])),
    'memory.events',
    messages,
    async ({ offset }) => {
      buried.push(offset)
    },
  )
  expect({ applied, buried }).toEqual({ applied: { done: 1, failure: new Error('later') }, buried: [] })
})

test("MSK's token is signed by AWS's signer for the region: what a broker would check of it is not to be had here", async () => {
  const { clientConfig } = await import('../../shared/kafka/client.ts')
  const { default: library } = (await import('kafkajs')) as unknown as { default: typeof import('kafkajs') }
  process.env.AWS_ACCESS_KEY_ID = 'AKIDEXAMPLE'
  process.env.AWS_SECRET_ACCESS_KEY = 'an example'
  const connection = connectionOf({ KAFKA_SASL_MECHANISM: 'aws-msk-iam', AWS_REGION: 'eu-west-1' })
  const { sasl, ssl } = await clientConfig(connection as NonNullable<typeof connection>, library)
  expect(ssl).toBe(true)
  const { value } = await (sasl as { oauthBearerProvider(): Promise<{ value: string }> }).oauthBearerProvider()
  const url = new URL(Buffer.from(value, 'base64url').toString())
  expect(url.hostname).toBe('kafka.eu-west-1.amazonaws.com')
  expect(url.searchParams.get('Action')).toBe('kafka-cluster:Connect')
  expect(url.searchParams.get('X-Amz-Credential')).toMatch(/^AKIDEXAMPLE\//)
})
