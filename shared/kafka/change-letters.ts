import { createHash } from 'node:crypto'
import type { KafkaMessage } from 'kafkajs'
import type { KafkaClient } from './client.ts'
import { deadLetterHeaders as names } from './dead-letter.ts'
import { KafkaSentence } from './explain.ts'
import { headersOf, type Letter, letterOf, markerHeader, placeOf } from './letters.ts'
import { extentOf, type Range, readRanges, withAdmin } from './read-range.ts'
import { createSender, type Outgoing, type Sender } from './sender.ts'

/** One letter whole, as it came; undefined when it is not there. */
export async function readLetter(
  client: KafkaClient,
  topic: string,
  id: string,
): Promise<{ letter: Letter; timestamp: string; key: Buffer | null; value: Buffer | null; headers: Record<string, string> } | undefined> {
  const { partition, offset } = placeOf(id)
  const extent = (await extentOf(client, topic)).find((one) => one.partition === partition)
  if (!extent || offset < extent.from || offset >= extent.to) return undefined
  let found: KafkaMessage | undefined
  await readRanges(client, topic, [{ partition, from: offset, to: offset + 1n }], (_partition, [message]) => {
    found ??= message
  })
  if (!found || headersOf(found.headers)[markerHeader]) return undefined
  const { key, value, headers, timestamp } = found
  return { letter: letterOf(topic, partition, found), timestamp: new Date(Number(timestamp)).toISOString(), key, value, headers: headersOf(headers) }
}

export type ReplayReport = { replayed: number; failed: { id: string; reason: string }[] }

/**
 * Sends these letters' records, bytes and key as they were, back to the topic they came from, and after each batch leaves a marker in the dead letters' partition.
 * A record that lies there twice, as two consumers buried it, is sent once. It ends at the first that is not taken: what was sent before it is marked.
 * At least once: after a crash between a batch and its marker a further replay sends that batch again. @throws Error
 */
export async function replayLetters(client: KafkaClient, topic: string, letters: readonly Letter[]): Promise<ReplayReport> {
  const sender = createSender(client)
  const wanted = new Map(letters.map((letter) => [letter.id, letter]))
  const sent = new Set<string>()
  const report: ReplayReport = { replayed: 0, failed: [] }
  try {
    await readRanges(client, topic, rangesOver(letters), async (partition, messages) => {
      const some = messages.filter(({ offset }) => wanted.has(`${partition}:${offset}`))
      const done = await sendBack(sender, topic, partition, some, wanted, sent, report)
      if (done.length) await mark(sender, topic, partition, done)
      report.replayed += done.length
      const stopped = report.failed.find(({ reason }) => !reason.startsWith(tooLarge))
      if (stopped)
        throw new KafkaSentence(`${report.replayed} of ${letters.length} are replayed, then the broker did not take ${stopped.id}: ${stopped.reason} Run it again for the rest.`)
    })
    return report
  } finally {
    await sender.close()
  }
}

const tooLarge = 'its topic takes none as large'

async function sendBack(sender: Sender, topic: string, partition: number, messages: KafkaMessage[], wanted: Map<string, Letter>, sent: Set<string>, report: ReplayReport) {
  const fresh = messages.filter(({ offset }) => {
    const place = JSON.stringify(wanted.get(`${partition}:${offset}`)?.source)
    return sent.has(place) ? false : sent.add(place)
  })
  const answers = fresh.length ? await sender.send(fresh.map((message) => outgoing(topic, partition, message))) : []
  const failed = new Map(answers.flatMap((failure, i) => (failure ? [[(fresh[i] as KafkaMessage).offset, failure] as const] : [])))
  for (const [offset, failure] of failed) {
    report.failed.push({ id: `${partition}:${offset}`, reason: failure.tooLarge ? `${tooLarge} (max.message.bytes).` : failure.error.message })
    sent.delete(JSON.stringify(wanted.get(`${partition}:${offset}`)?.source))
  }
  const lost = new Set([...failed.keys()].map((offset) => JSON.stringify(wanted.get(`${partition}:${offset}`)?.source)))
  return messages.filter(({ offset }) => !lost.has(JSON.stringify(wanted.get(`${partition}:${offset}`)?.source))).map(({ offset }) => offset)
}

function outgoing(topic: string, partition: number, { key, value, headers, offset }: KafkaMessage): Outgoing {
  const given = headersOf(headers)
  const own = new Set<string>(Object.values(names))
  // bytes as they came: a header of a foreign producer need not be a text
  const kept = Object.entries(headers ?? {}).flatMap(([name, all]) => {
    const last = Array.isArray(all) ? all.at(-1) : all
    return own.has(name) || last === undefined ? [] : [[name, last] as const]
  })
  const replay = {
    [names.replayedFrom]: `${topic} ${partition}:${offset}`,
    [names.replayedAt]: new Date().toISOString(),
    [names.replays]: String(Number(given[names.replays] ?? 0) + 1),
  }
  return { topic: topic.slice(0, -'.dlq'.length), key, value, headers: { ...Object.fromEntries(kept), ...replay } }
}

async function mark(sender: Sender, topic: string, partition: number, offsets: string[]): Promise<void> {
  const [failure] = await sender.send([{ topic, partition, key: null, value: JSON.stringify(offsets), headers: { [markerHeader]: 'replayed' } }])
  if (!failure) return
  throw new KafkaSentence(
    `${offsets.length} records were sent and could not be marked as replayed (${failure.error.message}): a further replay sends them again, which consumers take as a repetition.`,
    { cause: failure.error },
  )
}

function rangesOver(letters: readonly Letter[]): Range[] {
  const ranges = new Map<number, Range>()
  for (const { partition, offset } of letters) {
    const at = BigInt(offset)
    const { from, to } = ranges.get(partition) ?? { from: at, to: at + 1n }
    ranges.set(partition, { partition, from: at < from ? at : from, to: at >= to ? at + 1n : to })
  }
  return [...ranges.values()]
}

/** Up to where each partition is purged, without that offset: all before an instant, or up to these ids with themselves. @throws Error */
export async function purgeRanges(client: KafkaClient, topic: string, wanted: { ids: readonly string[] } | { olderThan: string } | { all: true }): Promise<Range[]> {
  const extents = await extentOf(client, topic)
  const ends = new Map<number, bigint>()
  if ('ids' in wanted) {
    for (const { partition, offset } of wanted.ids.map(placeOf)) if (offset + 1n > (ends.get(partition) ?? 0n)) ends.set(partition, offset + 1n)
  } else if ('olderThan' in wanted) {
    const found = await withAdmin(client, topic, (admin) => admin.fetchTopicOffsetsByTimestamp(topic, Date.parse(wanted.olderThan)))
    for (const { partition, offset } of found) ends.set(partition, BigInt(offset))
  }
  return extents
    .map(({ partition, from, to }) => {
      const end = 'all' in wanted ? to : (ends.get(partition) ?? from)
      // the broker says -1 where nothing is younger
      return { partition, from, to: end < 0n || end > to ? to : end }
    })
    .filter(({ from, to }) => from < to)
}

/** Deletes what lies in these ranges, for good: the ranges begin where their partitions do. @throws Error */
export async function purgeLetters(client: KafkaClient, topic: string, ranges: readonly Range[]): Promise<void> {
  if (!ranges.length) return
  await withAdmin(client, topic, async (admin) => {
    // the library looks for the leaders among the topics that it was asked about before
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions: ranges.map(({ partition, to }) => ({ partition, offset: String(to) })) })
  })
}

/** Stands for exactly these letters or ranges, and what is asked for them. */
export function confirmOf(what: unknown): string {
  return createHash('sha256').update(JSON.stringify(what)).digest('hex').slice(0, 16)
}
