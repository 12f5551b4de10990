import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { EventRecord, RecordHandler } from '../../shared/handler/index.ts'
import type { Kafka } from '../../shared/kafka/index.ts'
import { requireService } from '../support/services.ts'
import { connectionTo, makeTopic, openBroker, plainClient, produce, until } from './broker.ts'

const bootstrap = requireService('KAFKA_BOOTSTRAP_SERVERS') as string
const scram = process.env.KAFKA_SASL_BOOTSTRAP_SERVERS
const credentials = { KAFKA_SECURITY_PROTOCOL: 'SASL_PLAINTEXT', KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512', KAFKA_SASL_USERNAME: process.env.KAFKA_SASL_USERNAME ?? '' }

describe.skipIf(!bootstrap)('a consumer of a group', () => {
  let topic: string
  const opened: Kafka[] = []
  beforeAll(async () => {
    topic = await makeTopic(bootstrap)
  })
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((kafka) => kafka.close()))
  })
  const open = (on: string) => {
    const kafka = openBroker(bootstrap, on)
    opened.push(kafka)
    return kafka
  }
  const consume = (kafka: Kafka, name: string, handler: RecordHandler, batchSize = 10) => kafka.consume({ name, topic: 'memory.events', batchSize, handler })
  const numbered = (from: number, to: number, partition?: number) =>
    Array.from({ length: to - from }, (_, i) => ({ key: `k${from + i}`, value: String(from + i), ...(partition === undefined ? {} : { partition }) }))
  const valuesOf = (records: readonly EventRecord[]) => records.map((record) => Number(record.value))

  test('a record that fails twice pauses its partition and comes again: nothing is passed over, the order is kept, and other partitions go on', async () => {
    const kafka = open(topic)
    const applied = new Map<string, number[]>([
      ['0', []],
      ['1', []],
    ])
    let failures = 0
    await produce(bootstrap, topic, [...numbered(0, 30, 0), ...numbered(100, 130, 1)])
    consume(kafka, 'flaky', async (records) => {
      const values = valuesOf(records)
      const bad = failures < 2 ? values.indexOf(13) : -1
      if (bad !== -1) failures += 1
      for (const [index, value] of values.entries()) if (bad === -1 || index < bad) applied.get(value < 100 ? '0' : '1')?.push(value)
      // all from the bad one on fail, as when a database goes away in the middle
      return bad === -1 ? [] : values.slice(bad).map((_, i) => ({ index: bad + i, poison: false, error: new Error('not now') }))
    })
    await until(() => applied.get('0')?.at(-1) === 29 && applied.get('1')?.at(-1) === 129)
    expect(failures).toBe(2)
    expect(applied.get('0')).toEqual(Array.from({ length: 30 }, (_, i) => i))
    expect(applied.get('1')).toEqual(Array.from({ length: 30 }, (_, i) => 100 + i))
    expect(kafka.seen.retries).toMatchObject([
      { partition: 0, attempts: 1 },
      { partition: 0, attempts: 2 },
    ])
    await until(() => kafka.seen.lags.get(0) === 0 && kafka.seen.lags.get(1) === 0)
  })

  test('a handler that throws has applied nothing: the whole batch comes again', async () => {
    const own = await makeTopic(bootstrap)
    const kafka = open(own)
    const tries: number[][] = []
    await produce(bootstrap, own, numbered(0, 5, 0))
    consume(kafka, 'throwing', async (records) => {
      tries.push(valuesOf(records))
      if (tries.length < 3) throw new Error('the database is away')
      return []
    })
    await until(() => tries.length === 3)
    expect(tries).toEqual([0, 1, 2].map(() => [0, 1, 2, 3, 4]))
  })

  test('what was committed does not come again, and a second member takes its share and gives it back', async () => {
    const own = await makeTopic(bootstrap)
    const [one, two] = [open(own), open(own)]
    const taken: [number[], number[]] = [[], []]
    const by =
      (member: 0 | 1): RecordHandler =>
      async (records) => {
        taken[member].push(...valuesOf(records))
        return []
      }
    consume(one, 'pair', by(0))
    await produce(bootstrap, own, numbered(0, 100))
    await until(() => taken[0].length >= 100)
    const second = consume(two, 'pair', by(1))
    // records for all partitions, until both members get some
    let next = 100
    await until(async () => {
      await produce(bootstrap, own, numbered(next, next + 30))
      next += 30
      return taken[1].length > 0
    })
    await second.stop()
    await produce(bootstrap, own, numbered(next, next + 30))
    next += 30
    const all = () => new Set(taken.flat())
    await until(() => all().size === next)
    expect([...all()].sort((a, b) => a - b)).toEqual(Array.from({ length: next }, (_, i) => i))
    // the first hundred were committed before the rebalance
    expect(taken[1].filter((value) => value < 100)).toEqual([])
    await one.close()
    const again: number[] = []
    consume(open(own), 'pair', async (records) => {
      again.push(...valuesOf(records))
      return []
    })
    await produce(bootstrap, own, numbered(next, next + 1))
    await until(() => again.includes(next))
    expect(again).toEqual([next])
  })

  test('long work keeps its place in the group', async () => {
    const own = await makeTopic(bootstrap)
    const kafka = open(own)
    let runs = 0
    await produce(bootstrap, own, numbered(0, 3, 0))
    const consumer = consume(kafka, 'slow', async () => {
      runs += 1
      // longer than the session of 10 s
      await new Promise((resolve) => setTimeout(resolve, 11_000))
      return []
    })
    await until(() => kafka.seen.lags.get(0) === 0)
    expect({ runs, state: consumer.state(), away: kafka.seen.away }).toEqual({ runs: 1, state: { ok: true }, away: [] })
    const { members } = await plainClient(bootstrap)
      .admin()
      .describeGroups([`soma.slow.${own}`])
      .then(({ groups }) => groups[0] as { members: unknown[] })
    expect(members).toHaveLength(1)
  })

  test('what is wrong is a sentence that names the variable, and the consumer waits for it to be mended', async () => {
    const nowhere = openBroker('127.0.0.1:9', topic)
    opened.push(nowhere)
    const consumer = consume(nowhere, 'lost', async () => [])
    const [failure] = await nowhere.publisher.publish([{ topic: 'memory.events', key: 'k', value: '{}', headers: {} }])
    expect(failure).toMatchObject({ poison: false, error: { message: expect.stringMatching(/No broker answers at 127\.0\.0\.1:9 .*KAFKA_BOOTSTRAP_SERVERS/) } })
    await until(() => nowhere.seen.away.length > 0)
    expect(consumer.state()).toMatchObject({ ok: false, detail: expect.stringContaining('KAFKA_BOOTSTRAP_SERVERS') })
    const missing = openBroker(bootstrap, 'never.made')
    opened.push(missing)
    consume(missing, 'early', async () => [])
    await until(() => missing.seen.away.length > 0)
    expect(missing.seen.away[0]).toMatch(/The topic never\.made is not there.*soma topics ensure/)
  })

  test.skipIf(!scram)('SCRAM: the right password works, a wrong one and none are told by name', async () => {
    const { createClient, missingTopics } = await import('../../shared/kafka/index.ts')
    const ask = (more: Record<string, string>) => missingTopics(createClient(connectionTo({ KAFKA_BOOTSTRAP_SERVERS: scram as string, ...more })), [topic, 'nothing'])
    expect(await ask({ ...credentials, KAFKA_SASL_PASSWORD: process.env.KAFKA_SASL_PASSWORD as string })).toEqual(['nothing'])
    expect(await ask({ ...credentials, KAFKA_SASL_MECHANISM: 'scram-sha-256', KAFKA_SASL_PASSWORD: process.env.KAFKA_SASL_PASSWORD as string })).toEqual(['nothing'])
    const wrong = ask({ ...credentials, KAFKA_SASL_PASSWORD: 'wrong-password' })
    await expect(wrong).rejects.toThrow(/refused the credentials .*KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD/)
    await expect(wrong).rejects.not.toThrow(/wrong-password/)
    await expect(ask({})).rejects.toThrow(/KAFKA_BOOTSTRAP_SERVERS, KAFKA_SECURITY_PROTOCOL/)
    await expect(ask({ ...credentials, KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_PASSWORD: 'x' })).rejects.toThrow(/KAFKA_SASL_MECHANISM/)
  })
})
