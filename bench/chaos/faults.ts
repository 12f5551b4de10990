import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import type { Installation } from './installation.ts'
import type { Supervised } from './processes.ts'

/** How often what was done. */
export type Done = { kills: Record<string, number>; brokerCrashes: number; databaseRestarts: number; redisKills: number; redisFlushes: number; poison: string[] }

/** Between two kills so many writes are answered, or this long is waited for them. */
const between = { writes: 5, mostMs: 15_000 } as const
const every = { broker: 67, database: 50, redis: 40, flush: 20, poison: 10 } as const
const partitions = 6

/**
 * Kills a process of the product at a random moment, `kills` times; in between the broker and Redis are killed and started, Redis is emptied, the database ended and started, and records that can never be
 * applied are put on the topic. Counted from the start, so that a short run has each of them once.
 */
export async function cause(installation: Installation, victims: readonly Supervised[], kills: number, writes: () => number, progress: (done: number) => void): Promise<Done> {
  const done: Done = { kills: Object.fromEntries(victims.map(({ name }) => [name, 0])), brokerCrashes: 0, databaseRestarts: 0, redisKills: 0, redisFlushes: 0, poison: [] }
  const others: Promise<void>[] = []
  const poisoner = await openPoisoner(installation)
  try {
    for (let n = 0; n < kills; ) {
      const before = writes()
      for (const deadline = Date.now() + between.mostMs; writes() < before + between.writes && Date.now() < deadline; ) await sleep(20)
      await sleep(Math.random() * 900)
      const victim = victims[Math.floor(Math.random() * victims.length)] as Supervised
      if (!(await victim.crash())) continue
      done.kills[victim.name] = (done.kills[victim.name] ?? 0) + 1
      if (n % every.poison === 2) await poisoner.put(done.poison)
      if (n % every.broker === 5) others.push(crashBroker(installation).then(() => void done.brokerCrashes++))
      if (n % every.redis === 8) others.push(killRedis(installation).then(() => void done.redisKills++))
      if (n % every.flush === 12) others.push(flushRedis(installation).then((flushed) => void (flushed && done.redisFlushes++)))
      if (n % every.database === 15) {
        await installation.postgres.restart(done.databaseRestarts % 2 === 0 ? 'immediate' : 'fast')
        done.databaseRestarts += 1
      }
      progress(++n)
    }
    await Promise.all(others)
    return done
  } finally {
    await poisoner.close()
  }
}

/** One that is away at the moment is empty when it comes back. */
async function flushRedis({ redis }: Installation): Promise<boolean> {
  return redis.command('flushall').then(
    () => true,
    () => false,
  )
}

async function killRedis({ redis }: Installation): Promise<void> {
  await redis.kill()
  await sleep(2_000)
  await redis.restart()
}

async function crashBroker({ kafka }: Installation): Promise<void> {
  await kafka.crash()
  await sleep(2_000)
  await kafka.start()
}

/** Puts records that are no events on the topic, and keeps where they came to stand. */
async function openPoisoner({ kafka, topic }: Installation) {
  const client = new kafkajs.Kafka({ brokers: [kafka.bootstrapServers], logLevel: kafkajs.logLevel.NOTHING })
  const producer = client.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner, allowAutoTopicCreation: false, retry: { retries: 20 } })
  await producer.connect()
  return {
    async put(places: string[]): Promise<void> {
      const partition = Math.floor(Math.random() * partitions)
      const [written] = await producer.send({ topic, acks: -1, messages: [{ partition, key: randomBytes(4).toString('hex'), value: '{"not": "an event"' }] })
      if (written) places.push(`${written.partition}:${written.baseOffset}`)
    },
    close: () => producer.disconnect(),
  }
}
