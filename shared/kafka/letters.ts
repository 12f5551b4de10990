import type { IHeaders, KafkaMessage } from 'kafkajs'
import * as z from 'zod'
import type { KafkaClient } from './client.ts'
import { deadLetterHeaders as names } from './dead-letter.ts'
import { extentOf, type Range, readRanges } from './read-range.ts'

/** A dead letter without its value; `source` is null where the record was not put there by a consumer of ours. */
export type Letter = {
  /** `partition:offset` in the topic of dead letters. */
  id: string
  partition: number
  offset: string
  first_seen: string
  age_seconds: number
  source: { topic: string; partition: number; offset: string } | null
  consumer: string | null
  reason: string | null
  tenant: string | null
  value_bytes: number | null
  /** How often the record was replayed before it came here, and when this letter was. */
  replays: number
  replayed_at: string | null
  /** Why a replay passes it over; null when it does not. */
  not_replayable: string | null
}
export type LetterFilter = { reason?: string | undefined; tenant?: string | undefined; olderThan?: string | undefined; open?: boolean | undefined }

/** One call looks at so many letters in memory. */
export const mostLetters = 100_000
/** The first look back from the end of a partition; each further one is as long as all before it. */
const firstWindow = 500n
/** A record of the topic of dead letters that is none: its value names, as JSON, offsets of its own partition that were replayed. */
export const markerHeader = 'dlq-marker'

/** The newest letters that match, at most `limit`; `more` when there are others. It reads from the end, as far as that takes: a marker lies behind what it marks. */
export async function listLetters(client: KafkaClient, topic: string, filter: LetterFilter, limit: number): Promise<{ letters: Letter[]; more: boolean }> {
  const extents = await extentOf(client, topic)
  const found = new Map<number, Letter[]>()
  const replayed: Replayed = new Map()
  let windows = extents.map(({ partition, from, to }) => ({ partition, from: later(from, to - firstWindow), to }))
  while (windows.length) {
    const letters = await collect(client, topic, windows, replayed, filter)
    for (const { partition } of windows) found.set(partition, [...letters.filter((one) => one.partition === partition), ...(found.get(partition) ?? [])].slice(-limit - 1))
    windows = windows.flatMap(({ partition, from }) => {
      const { from: low = 0n, to: high = 0n } = extents.find((one) => one.partition === partition) ?? {}
      const enough = (found.get(partition)?.length ?? 0) > limit
      return enough || from <= low ? [] : [{ partition, from: later(low, from - (high - from)), to: from }]
    })
  }
  const newest = [...found.values()].flat().sort((a, b) => (a.first_seen === b.first_seen ? Number(BigInt(b.offset) - BigInt(a.offset)) : a.first_seen < b.first_seen ? 1 : -1))
  return { letters: newest.slice(0, limit), more: newest.length > limit }
}

/** The letters that match, or those of these ids; the oldest of each partition first, at most `mostLetters`. */
export async function findLetters(client: KafkaClient, topic: string, wanted: LetterFilter & { ids?: readonly string[] }): Promise<{ letters: Letter[]; more: boolean }> {
  const extents = await extentOf(client, topic)
  const ranges = wanted.ids ? fromFirst(extents, wanted.ids) : extents
  const replayed: Replayed = new Map()
  // first the markers: only then is it known which letters count, and no more of them need be kept
  await readRanges(client, topic, ranges, (partition, messages) => {
    for (const message of messages) if (isMarker(message)) noteMarker(replayed, partition, message)
  })
  const letters = await collect(client, topic, ranges, replayed, wanted, mostLetters + 1)
  return { letters: letters.slice(0, mostLetters), more: letters.length > mostLetters }
}

/** From the first of these ids in a partition to its end, where the markers are. */
function fromFirst(extents: Range[], ids: readonly string[]): Range[] {
  return extents.flatMap((extent) => {
    const offsets = ids.map(placeOf).flatMap(({ partition, offset }) => (partition === extent.partition && offset >= extent.from && offset < extent.to ? [offset] : []))
    const first = offsets.reduce((least, one) => (one < least ? one : least), extent.to)
    return first < extent.to ? [{ ...extent, from: first }] : []
  })
}

/** Partition → offset → when it was replayed. */
type Replayed = Map<number, Map<string, string>>
type Wanted = LetterFilter & { ids?: readonly string[] }

async function collect(client: KafkaClient, topic: string, ranges: Range[], replayed: Replayed, wanted: Wanted, atMost = Number.POSITIVE_INFINITY): Promise<Letter[]> {
  const letters = new Map<string, Letter>()
  const ids = wanted.ids && new Set(wanted.ids)
  await readRanges(client, topic, ranges, (partition, messages) => {
    for (const message of messages) {
      if (isMarker(message)) {
        for (const offset of noteMarker(replayed, partition, message)) {
          const letter = letters.get(`${partition}:${offset}`)
          if (letter && wanted.open) letters.delete(letter.id)
          else if (letter) letter.replayed_at = timeOf(message.timestamp)
        }
        continue
      }
      const letter = { ...letterOf(topic, partition, message), replayed_at: replayed.get(partition)?.get(message.offset) ?? null }
      if (letters.size < atMost && (ids?.has(letter.id) ?? true) && matches(letter, wanted)) letters.set(letter.id, letter)
    }
  })
  return [...letters.values()]
}

const isMarker = ({ headers }: KafkaMessage) => headers?.[markerHeader] !== undefined

function noteMarker(replayed: Replayed, partition: number, { value, timestamp }: KafkaMessage): string[] {
  const marked = replayed.get(partition) ?? new Map<string, string>()
  replayed.set(partition, marked)
  const parsed = Marker.safeParse(value?.toString('utf8'))
  // something else under our name marks nothing
  if (!parsed.success) return []
  for (const offset of parsed.data) marked.set(offset, timeOf(timestamp))
  return parsed.data
}
/** JSON of a list of offsets. */
const Marker = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown
    } catch {
      context.addIssue('is not JSON')
      return z.NEVER
    }
  })
  .pipe(z.array(z.string()))

function matches(letter: Letter, { reason, tenant, olderThan, open }: LetterFilter): boolean {
  return (
    (reason === undefined || (letter.reason ?? '').toLowerCase().includes(reason.toLowerCase())) &&
    (tenant === undefined || letter.tenant === tenant) &&
    (olderThan === undefined || letter.first_seen < olderThan) &&
    (!open || letter.replayed_at === null)
  )
}

export function letterOf(topic: string, partition: number, message: KafkaMessage): Letter {
  const headers = headersOf(message.headers)
  const of = topic.slice(0, -'.dlq'.length)
  const source = sourceOf(headers)
  const seen = headers[names.firstSeen]
  const first = seen && !Number.isNaN(Date.parse(seen)) ? new Date(seen).toISOString() : timeOf(message.timestamp)
  let notReplayable = null
  if (!source || source.topic !== of) notReplayable = `it does not say that it came from ${of}`
  else if (headers[names.leftOut]) notReplayable = 'its value was too large for the dead letters: it is at its source only'
  else if (message.value === null) notReplayable = 'it has no value: a tombstone sent again would remove what came after it'
  return {
    id: `${partition}:${message.offset}`,
    partition,
    offset: message.offset,
    first_seen: first,
    age_seconds: Math.max(0, Math.floor((Date.now() - Date.parse(first)) / 1000)),
    source,
    consumer: headers[names.consumer] ?? null,
    reason: headers[names.reason] ?? null,
    tenant: headers['tenant-id'] || tenantOfKey(message.key),
    value_bytes: message.value?.length ?? null,
    replays: Number(headers[names.replays] ?? 0) || 0,
    replayed_at: null,
    not_replayable: notReplayable,
  }
}

function sourceOf(headers: Record<string, string>): Letter['source'] {
  const { [names.topic]: topic, [names.partition]: partition, [names.offset]: offset } = headers
  return topic !== undefined && /^\d{1,9}$/.test(partition ?? '') && /^\d{1,18}$/.test(offset ?? '') ? { topic, partition: Number(partition), offset: offset as string } : null
}

/** `tenant:memory id` */
const tenantOfKey = (key: Buffer | null) => /^([a-z0-9][a-z0-9_-]{0,62}):/.exec(key?.toString('utf8') ?? '')?.[1] ?? null

/** The last of each name counts. */
export function headersOf(headers: IHeaders | undefined): Record<string, string> {
  const last = Object.entries(headers ?? {}).map(([name, value]) => [name, Array.isArray(value) ? value.at(-1) : value] as const)
  return Object.fromEntries(last.flatMap(([name, value]) => (value === undefined ? [] : [[name, value.toString('utf8')]])))
}

/** `partition:offset`. @throws Error */
export function placeOf(id: string): { partition: number; offset: bigint } {
  const [, partition, offset] = /^(\d{1,9}):(\d{1,18})$/.exec(id) ?? []
  if (partition === undefined || offset === undefined) throw new Error(`"${id}" is no dead letter: it takes partition:offset, as \`soma dlq list\` shows them.`)
  return { partition: Number(partition), offset: BigInt(offset) }
}

const timeOf = (timestamp: string) => new Date(Number(timestamp)).toISOString()
const later = (a: bigint, b: bigint) => (a > b ? a : b)
