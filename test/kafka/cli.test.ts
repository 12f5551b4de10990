import { describe, expect, test } from 'vitest'
import { runProcess } from '../http/processes.ts'
import { requireService } from '../support/services.ts'
import { plainClient, randomTopic } from './broker.ts'

const bootstrap = requireService('KAFKA_BOOTSTRAP_SERVERS') as string

describe.skipIf(!bootstrap)('soma topics ensure', () => {
  const topic = randomTopic()
  const soma = async (args: string[], more: Record<string, string> = {}) => {
    const env = { SOMA_DATA_DIR: 'memory://', KAFKA_BOOTSTRAP_SERVERS: bootstrap, KAFKA_MEMORY_EVENTS_TOPIC: topic, ...more }
    const { code, stdout, stderr } = await runProcess(['bin/soma.ts', ...args, '--json'], env)
    return { code, stdout: stdout && JSON.parse(stdout), stderr }
  }
  const brokerCheck = async () => (await soma(['doctor'])).stdout.checks.find((check: { name: string }) => check.name === 'kafka')

  test('says what it would do, does it once, and tells what differs without changing it', async () => {
    const names = [topic, `${topic}.dlq`]
    const made = (dry: boolean) => ({ dry_run: dry, topics: names.map((name, i) => ({ topic: name, action: 'created', partitions: [6, 1][i], replication: 1, differences: [] })) })
    // soma.audit has one name on a broker: other tests may have made it
    const ensure = async (...more: string[]) => {
      const { code, stdout } = await soma(['topics', 'ensure', ...more])
      expect(stdout.topics.map((one: { topic: string }) => one.topic)).toEqual([...names, 'soma.audit'])
      return { code, stdout: { ...stdout, topics: stdout.topics.slice(0, 2) } }
    }
    expect(await ensure('--dry-run')).toMatchObject({ code: 0, stdout: made(true) })
    expect(await brokerCheck()).toMatchObject({ ok: false, detail: expect.stringContaining('npx soma topics ensure') })
    expect(await ensure()).toMatchObject({ code: 0, stdout: made(false) })
    expect(await brokerCheck()).toMatchObject({ ok: true })
    const again = names.map((name) => ({ topic: name, action: 'unchanged', differences: [] }))
    expect((await ensure()).stdout.topics).toMatchObject(again)

    const admin = plainClient(bootstrap).admin()
    await admin.connect()
    try {
      const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: 2, name: topic, configNames: ['cleanup.policy', 'min.compaction.lag.ms'] }] })
      expect(resources[0]?.configEntries.map(({ configValue }) => configValue).sort()).toEqual(['604800000', 'compact,delete'])
      await admin.alterConfigs({
        validateOnly: false,
        resources: [
          {
            type: 2,
            name: topic,
            configEntries: [
              { name: 'retention.ms', value: '1000' },
              { name: 'cleanup.policy', value: 'delete,compact' },
              { name: 'min.compaction.lag.ms', value: '604800000' },
              { name: 'min.insync.replicas', value: '1' },
              { name: 'compression.type', value: 'uncompressed' },
            ],
          },
        ],
      })
      await admin.deleteTopics({ topics: [`${topic}.dlq`] })
      await admin.createTopics({ topics: [{ topic: `${topic}.dlq`, numPartitions: 3 }] })
    } finally {
      await admin.disconnect()
    }
    const { topics } = (await soma(['topics', 'ensure'])).stdout
    expect(topics[0]).toMatchObject({ action: 'unchanged', differences: [{ setting: 'retention.ms', is: '1000', wants: '2592000000' }] })
    expect(topics[1]).toMatchObject({ action: 'unchanged', partitions: 3 })
    expect(topics[1].differences.map((one: { setting: string }) => one.setting)).toContain('max.message.bytes')
  })

  test('raises partitions where there are fewer', async () => {
    const small = randomTopic()
    const admin = plainClient(bootstrap).admin()
    await admin.connect()
    await admin.createTopics({ topics: [{ topic: small, numPartitions: 2 }] })
    await admin.disconnect()
    const raised = (await soma(['topics', 'ensure'], { KAFKA_MEMORY_EVENTS_TOPIC: small })).stdout.topics[0]
    expect(raised).toMatchObject({ action: 'partitions raised', partitions: 6 })
    expect((await soma(['topics', 'ensure'], { KAFKA_MEMORY_EVENTS_TOPIC: small })).stdout.topics[0]).toMatchObject({ action: 'unchanged', partitions: 6 })
  })

  test('a broker that is not there, or not named, is a sentence', async () => {
    const away = await soma(['topics', 'ensure'], { KAFKA_BOOTSTRAP_SERVERS: '127.0.0.1:9' })
    expect(away).toMatchObject({ code: 1, stderr: expect.stringMatching(/No broker answers at 127.0.0.1:9 .*KAFKA_BOOTSTRAP_SERVERS/) })
    expect(await soma(['topics', 'ensure'], { KAFKA_BOOTSTRAP_SERVERS: '' })).toMatchObject({ code: 1, stderr: expect.stringContaining('KAFKA_BOOTSTRAP_SERVERS is missing') })
    expect(await soma(['worker', 'index-vectors', '--once'])).toMatchObject({ code: 2, stderr: expect.stringContaining('--once') })
  })
})
