import { afterAll, describe, expect, test } from 'vitest'
import { requireService } from '../support/services.ts'
import { makeTopic, openBroker, plainClient, produce, produceCompressed, randomTopic, until } from './broker.ts'

const bootstrap = requireService('KAFKA_BOOTSTRAP_SERVERS') as string

describe.skipIf(!bootstrap)('what other producers compress', () => {
  const closing: (() => Promise<void>)[] = []
  afterAll(async () => {
    for (const close of closing) await close()
  })
  function consumeFrom(topic: string) {
    const broker = openBroker(bootstrap, topic)
    closing.push(broker.close)
    const values: (string | null)[] = []
    broker.consume({
      name: 'test',
      topic: 'memory.events',
      batchSize: 10,
      handler: async (records) => {
        values.push(...records.map(({ value }) => value))
        return []
      },
    })
    return { values, seen: broker.seen }
  }

  test.each(['snappy', 'zstd'] as const)('by %s is unpacked by the broker, as the topic asks, and consumed', async (codec) => {
    const topic = await makeTopic(bootstrap)
    await produceCompressed(bootstrap, topic, codec, ['{"one":1}', '{"two":2}'])
    const { values } = consumeFrom(topic)
    await until(() => values.length === 2)
    expect(values.sort()).toEqual(['{"one":1}', '{"two":2}'])
  })

  test('on a topic that keeps it as it came, it is told with what to do', async () => {
    const topic = randomTopic()
    const admin = plainClient(bootstrap).admin()
    await admin.connect()
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] })
    await admin.disconnect()
    await produceCompressed(bootstrap, topic, 'snappy', ['{"one":1}'])
    await produce(bootstrap, topic, [{ value: '{"two":2}' }])
    const { seen } = consumeFrom(topic)
    await until(() => seen.away.length > 0)
    expect(seen.away[0]).toMatch(/is compressed by a codec .*Snappy.* compression\.type=uncompressed .*docs\/runbook\.md/)
  })
})
