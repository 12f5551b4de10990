import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin } from 'kafkajs'
import type { KafkaClient } from './client.ts'
import { rootOf } from './explain.ts'
import { withAdmin } from './read-range.ts'

/** A cluster has so long to agree on what was made. */
const settleMs = 10_000
const passing = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE', 'NOT_CONTROLLER', 'INVALID_PARTITIONS', 'REQUEST_TIMED_OUT'])

/** A topic as it should be. `replication` is a wish: a smaller cluster has one a broker. `settings` are the broker's own names. */
export type TopicSettings = { name: string; partitions: number; replication: number; settings: Record<string, string> }
export type TopicReport = {
  topic: string
  action: 'created' | 'partitions raised' | 'unchanged'
  partitions: number
  replication: number
  /** What is another than it should be and is left as it is: whoever looks after the broker decides. */
  differences: { setting: string; is: string; wants: string }[]
}

/** Makes the topics that are missing and raises partitions; lowers none, and changes no setting of a topic that is there. With `dryRun` it only says what it would do. @throws Error */
export async function ensureTopics(client: KafkaClient, wanted: readonly TopicSettings[], { dryRun }: { dryRun: boolean }): Promise<TopicReport[]> {
  return withAdmin(client, undefined, async (admin) => {
    const { brokers } = await admin.describeCluster()
    const present = new Set(await admin.listTopics())
    const reports: TopicReport[] = []
    for (const topic of wanted) {
      const suited = suitedTo(topic, brokers.length)
      reports.push(present.has(topic.name) ? await patiently(() => raise(client, admin, suited, dryRun)) : await create(admin, suited, dryRun))
    }
    return reports
  })
}

/** The topics of these that are not there. @throws Error when the broker cannot be asked */
export async function missingTopics(client: KafkaClient, names: readonly string[]): Promise<string[]> {
  return withAdmin(client, undefined, async (admin) => {
    const present = new Set(await admin.listTopics())
    return names.filter((name) => !present.has(name))
  })
}

/** acks=all means something where two replicas must have a record; with a single one none could be written if one more were asked for. */
function suitedTo({ replication, settings, ...topic }: TopicSettings, brokers: number): TopicSettings {
  const replicas = Math.min(replication, brokers)
  return { ...topic, replication: replicas, settings: { ...settings, 'min.insync.replicas': String(replicas > 2 ? 2 : 1) } }
}

async function create(admin: Admin, { name, partitions, replication, settings }: TopicSettings, dryRun: boolean): Promise<TopicReport> {
  const configEntries = Object.entries(settings).map(([setting, value]) => ({ name: setting, value }))
  // false when another made it at the same moment, which is as good
  if (!dryRun) {
    await admin.createTopics({ waitForLeaders: false, topics: [{ topic: name, numPartitions: partitions, replicationFactor: replication, configEntries }] })
    await untilShown(admin, name, partitions)
  }
  return { topic: name, action: 'created', partitions, replication, differences: [] }
}

async function raise(client: KafkaClient, admin: Admin, { name, partitions, replication, settings }: TopicSettings, dryRun: boolean): Promise<TopicReport> {
  const { library } = await client.load()
  const { topics } = await admin.fetchTopicMetadata({ topics: [name] })
  const found = topics[0]?.partitions ?? []
  const replicas = found[0]?.replicas.length ?? 0
  const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: library.ConfigResourceTypes.TOPIC, name, configNames: Object.keys(settings) }] })
  const values = new Map(resources[0]?.configEntries.map(({ configName, configValue }) => [configName, configValue]))
  const differences = Object.entries(settings)
    .map(([setting, wants]) => ({ setting, is: values.get(setting) ?? '', wants }))
    .filter(({ is, wants }) => normal(is) !== normal(wants))
  if (replicas !== replication) differences.unshift({ setting: 'replication', is: String(replicas), wants: String(replication) })
  if (found.length >= partitions) return { topic: name, action: 'unchanged', partitions: found.length, replication: replicas, differences }
  if (!dryRun) {
    await admin.createPartitions({ topicPartitions: [{ topic: name, count: partitions }] })
    await untilShown(admin, name, partitions)
  }
  return { topic: name, action: 'partitions raised', partitions, replication: replicas, differences }
}

/** What the controller has taken, the broker that is asked next learns of a little later. */
async function untilShown(admin: Admin, name: string, partitions: number): Promise<void> {
  for (const end = performance.now() + settleMs; performance.now() < end; await sleep(50)) {
    const { topics } = await patiently(() => admin.fetchTopicMetadata({ topics: [name] }))
    const led = topics[0]?.partitions.filter(({ leader }) => leader >= 0) ?? []
    if (led.length >= partitions) return
  }
}

/** A cluster in which something was just made, or made by another, says so by errors that pass. */
async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (const end = performance.now() + settleMs; ; await sleep(100)) {
    try {
      return await work()
    } catch (error) {
      if (performance.now() > end || !passing.has(rootOf(error).type ?? '')) throw error
    }
  }
}

/** Lists of policies mean the same in any order. */
const normal = (value: string) => value.split(',').sort().join(',')
