import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import { deadLetterHeaders, deadLetterTopic } from '../../shared/kafka/index.ts'
import type { Ledger } from './clients.ts'
import type { Done } from './faults.ts'
import type { Installation } from './installation.ts'

/** One promise, how often it was looked at, and what contradicts it. */
export type Verdict = { promise: string; of: number; faults: string[] }

/** Without any step for so long it is stuck: members that were killed keep their partitions for a while, an open breaker lets nothing through, and the try after it waits too. */
const stuckMs = 150_000
const settleMs = 900_000

/** Waits until nothing is on its way any more; a long queue may take its time. @throws Error that says what is left */
export async function settle({ audit }: Installation, poisoned: () => Promise<number>, poison: number): Promise<number> {
  const started = Date.now()
  let moved = { at: started, left: Number.POSITIVE_INFINITY }
  for (;;) {
    const [left] = await audit<{ unsent: number; dead: number; unindexed: number; unprojected: number }>(
      `select (select count(*) from outbox where status in ('pending', 'leased'))::integer as unsent, (select count(*) from outbox where status = 'dead')::integer as dead,
         (select count(*) from vector_pending)::integer as unindexed,
         (select count(*) from outbox o where not exists (select from memory_events e where e.tenant_id = o.tenant_id and e.event_id = o.event_id))::integer as unprojected`,
    )
    // the dead letters are read when all else is at rest, or time is up
    const sum = left ? left.unsent + left.unindexed + left.unprojected + left.dead : Number.POSITIVE_INFINITY
    const resting = sum === 0
    if (sum !== moved.left) moved = { at: Date.now(), left: sum }
    const late = Date.now() - moved.at > stuckMs || Date.now() - started > settleMs
    const buried = resting || late ? await poisoned() : undefined
    if (resting && buried !== undefined && buried >= poison) return Date.now() - started
    if (late)
      throw new Error(
        `It has not come to rest after ${((Date.now() - started) / 1000).toFixed(0)} s, of which ${((Date.now() - moved.at) / 1000).toFixed(0)} s without a step: ${JSON.stringify({ ...left, buried, poison })}`,
      )
    await sleep(1_000)
  }
}

/** Where each group stands in the topic, who is in it, and some of what has no vector yet. */
export async function whatIsLeft({ audit, kafka, topic }: Installation): Promise<string> {
  const admin = new kafkajs.Kafka({ brokers: [kafka.bootstrapServers], logLevel: kafkajs.logLevel.NOTHING }).admin()
  try {
    await admin.connect()
    const { groups } = await admin.listGroups()
    const described = await admin.describeGroups(groups.map(({ groupId }) => groupId).filter((id) => !id.startsWith('auditor-')))
    const lines = await Promise.all(
      described.groups.map(async ({ groupId, state, members }) => {
        const [offsets] = await admin.fetchOffsets({ groupId, topics: [topic] })
        const places = offsets?.partitions.map(({ partition, offset }) => `${partition}:${offset}`).join(' ')
        return `${groupId} ${state}, members ${members.map(({ memberId }) => memberId).join(' ')}, at ${places}`
      }),
    )
    const ends = await admin.fetchTopicOffsets(topic)
    const waiting = await audit('select * from vector_pending order by queued_at limit 3')
    return [...lines, `ends ${ends.map(({ partition, high }) => `${partition}:${high}`).join(' ')}`, `waiting ${JSON.stringify(waiting)}, now ${new Date().toISOString()}`].join(
      '\n',
    )
  } finally {
    await admin.disconnect()
  }
}

/** Holds what the clients were told against what is there. */
export async function check(installation: Installation, ledger: Ledger, done: Done): Promise<Verdict[]> {
  const { audit } = installation
  const there = await audit<{ id: string; version: number; text: string; vector: number | null; vectors: number; events: number; distinct: number }>(
    `select m.id, m.version, m.text, (select max(v.version) from vectors v where v.tenant_id = m.tenant_id and v.memory_key = m.memory_key) as vector,
       (select count(*) from vectors v where v.tenant_id = m.tenant_id and v.memory_key = m.memory_key)::integer as vectors,
       (select count(*) from memory_events e where e.tenant_id = m.tenant_id and e.id = m.id)::integer as events,
       (select count(distinct e.version) from memory_events e where e.tenant_id = m.tenant_id and e.id = m.id)::integer as distinct
     from memories m`,
  )
  const byId = new Map(there.map((row) => [row.id, row]))
  const kept = ledger.memories.filter((one) => !one.forgotten)
  const lost = kept.filter((one) => byId.get(one.id)?.version !== one.version || byId.get(one.id)?.text !== one.text).map((one) => `${one.id} version ${one.version}`)
  const expected = new Set(kept.map((one) => one.id))
  const [used] = await audit<{ stores: number; memories: number }>(
    `select (select coalesce(sum(stores), 0) from usage_hours)::integer + (select coalesce(sum(stores), 0) from usage_deltas)::integer as stores,
       (select coalesce(sum(t.memories), 0) from scope_stats t join scopes s on s.tenant_id = t.tenant_id and s.scope_key = t.scope_key and s.user_id is null)::integer
         + (select coalesce(sum(memories), 0) from usage_deltas)::integer as memories`,
  )
  const letters = await readPlaces(installation)
  const events = await audit<{ n: number }>(`select count(*)::integer as n from memory_events where type in ('created', 'updated')`)
  return [
    { promise: 'an answer never contradicts an earlier one', of: ledger.requests - ledger.retries, faults: ledger.contradictions },
    { promise: 'an answered store or change is there', of: kept.length, faults: lost },
    { promise: 'nothing is there twice, or without an answer', of: there.length, faults: there.filter((row) => !expected.has(row.id)).map((row) => `${row.id}: ${row.text}`) },
    {
      promise: 'what was forgotten is gone',
      of: ledger.forgets,
      faults: ledger.memories.filter((one) => one.forgotten && byId.has(one.id)).map((one) => one.id),
    },
    {
      promise: 'each version is projected once',
      of: events[0]?.n ?? 0,
      faults: [
        ...there.filter((row) => row.events !== row.version || row.distinct !== row.version).map((row) => `${row.id} has ${row.events} events at version ${row.version}`),
        ...(events[0]?.n === ledger.writes ? [] : [`${events[0]?.n} events of ${ledger.writes} writes`]),
      ],
    },
    {
      promise: 'each memory has one vector, of its newest version',
      of: there.length,
      faults: there.filter((row) => row.vectors !== 1 || row.vector !== row.version).map((row) => `${row.id} has vector ${row.vector} at version ${row.version}`),
    },
    {
      promise: 'usage counts each write once, and each memory that is there',
      of: ledger.writes,
      faults: used?.stores === ledger.writes && used.memories === there.length ? [] : [`${used?.stores} of ${ledger.writes} writes, ${used?.memories} of ${there.length} memories`],
    },
    {
      promise: 'each poisoned record is in the dead letters, by both consumers',
      of: done.poison.length,
      faults: done.poison.filter((place) => (letters.get(place)?.size ?? 0) < 2),
    },
  ]
}

/** How many poisoned records both consumers have buried so far. */
export async function buriedByBoth(installation: Installation, poison: readonly string[]): Promise<number> {
  const letters = await readPlaces(installation)
  return poison.filter((place) => (letters.get(place)?.size ?? 0) >= 2).length
}

/** The dead letters from their beginning to their present end: by source place, which consumers buried it. */
async function readPlaces({ kafka, topic }: Installation): Promise<Map<string, Set<string>>> {
  const client = new kafkajs.Kafka({ brokers: [kafka.bootstrapServers], logLevel: kafkajs.logLevel.NOTHING })
  const admin = client.admin()
  await admin.connect()
  const ends = await admin.fetchTopicOffsets(deadLetterTopic(topic))
  await admin.disconnect()
  const places = new Map<string, Set<string>>()
  const left = new Map(ends.filter(({ low, high }) => low !== high).map(({ partition, high }) => [partition, BigInt(high)]))
  if (!left.size) return places
  const consumer = client.consumer({ groupId: `auditor-${randomBytes(6).toString('hex')}`, maxWaitTimeInMs: 200 })
  await consumer.connect()
  await consumer.subscribe({ topics: [deadLetterTopic(topic)], fromBeginning: true })
  try {
    await new Promise<void>((resolve, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => payload.restart || reject(payload.error))
      const run = consumer.run({
        eachMessage: async ({ partition, message }) => {
          const header = (name: string) => String(message.headers?.[name])
          const place = `${header(deadLetterHeaders.partition)}:${header(deadLetterHeaders.offset)}`
          places.set(place, (places.get(place) ?? new Set()).add(header(deadLetterHeaders.consumer)))
          if (BigInt(message.offset) + 1n >= (left.get(partition) ?? 0n)) left.delete(partition)
          if (!left.size) resolve()
        },
      })
      run.catch(reject)
    })
  } finally {
    await consumer.disconnect()
  }
  return places
}
