import { crc32 } from 'node:zlib'
import * as z from 'zod'

/** An append that was answered 202: the request as it came, and all that was decided then, so that a replay decides nothing anew. */
export const Entry = z.object({
  kind: z.literal('append'),
  /** What GET /v1/operations/{id} takes; its row in the database is the mark that the entry is stored. */
  operation: z.uuid(),
  /** The memory's id: the request that failed had it too, so that one which was committed all the same is found. */
  memory: z.uuid(),
  at: z.iso.datetime(),
  tenant_id: z.number().int(),
  tenant: z.string(),
  actor: z.string(),
  request_id: z.string(),
  traceparent: z.string().optional(),
  key: z.string().optional(),
  hash: z.string(),
  body: z.unknown(),
})
export type Entry = z.output<typeof Entry>

/** What became of an entry; in a file beside that of the entry. */
export const Mark = z.object({
  kind: z.literal('done'),
  operation: z.uuid(),
  at: z.iso.datetime(),
  state: z.enum(['succeeded', 'failed']),
  result: z.object({ id: z.string(), version: z.number() }).optional(),
  problem: z.object({ code: z.string(), detail: z.string() }).optional(),
})
export type Mark = z.output<typeof Mark>

export type Line = Entry | Mark
export type Read = { line: Line; offset: number; bytes: number }

/** `<CRC-32 of the JSON, 8 hexadecimal digits> <JSON>\n`: what a crash tore, or a disk changed, is never taken for a record. */
export function encodeLine(line: Line): Buffer {
  const json = JSON.stringify(line)
  return Buffer.from(`${checksum(json)} ${json}\n`)
}

/**
 * The records of a piece of a file that begins at `from`, how many lines are damaged, and where the piece's last whole line ends: what comes after has no end yet,
 * as it is being written, or was when its process died.
 */
export function parseLines(bytes: Buffer, from = 0): { records: Read[]; damaged: number; end: number } {
  const records: Read[] = []
  let damaged = 0
  let start = 0
  for (let stop = bytes.indexOf(10, start); stop >= 0; stop = bytes.indexOf(10, start)) {
    const line = parseLine(bytes.toString('utf8', start, stop))
    if (line) records.push({ line, offset: from + start, bytes: stop + 1 - start })
    else if (stop > start) damaged += 1
    start = stop + 1
  }
  return { records, damaged, end: from + start }
}

export function parseLine(text: string): Line | undefined {
  const json = text.slice(9)
  if (text[8] !== ' ' || text.slice(0, 8) !== checksum(json)) return undefined
  const parsed = z.union([Entry, Mark]).safeParse(JSON.parse(json))
  return parsed.success ? parsed.data : undefined
}

const checksum = (json: string) => crc32(json).toString(16).padStart(8, '0')
