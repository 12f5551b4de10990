import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { open, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Entry, parseLines, type Read } from './line.ts'

/** Entries lie in `<number>.<day>.<random>.log`, in the order of the numbers; what became of them in a file of that name that ends in `.done`. */
const form = /^(\d{8})\.(\d{4}-\d{2}-\d{2})\.[0-9a-f]{8}\.log$/
export type Segment = { name: string; number: number; day: string }
/** Entries that cannot be stored are copied here and stay for the operator. */
export const failedName = 'failed.log'
export const doneOf = (name: string) => name.replace(/\.log$/, '.done')

/** The segments of a directory in their order; none where there is no directory. */
export async function segmentsOf(directory: string): Promise<Segment[]> {
  const names = await readdir(directory).catch(ifMissing)
  const found = (names ?? []).flatMap((name) => {
    const [, number, day] = form.exec(name) ?? []
    return number === undefined || day === undefined ? [] : [{ name, number: Number(number), day }]
  })
  return found.sort((a, b) => a.number - b.number)
}

export function nextSegment(last: Segment | undefined, now: Date): Segment {
  const number = (last?.number ?? 0) + 1
  const day = now.toISOString().slice(0, 10)
  return { name: `${String(number).padStart(8, '0')}.${day}.${randomBytes(4).toString('hex')}.log`, number, day }
}

/** The records of a file from an offset on; nothing where it is missing. `unfinished` bytes at its end have no end of line. */
export async function readLines(path: string, from = 0): Promise<{ records: Read[]; damaged: number; end: number; unfinished: number }> {
  const file = await open(path, constants.O_RDONLY).catch(ifMissing)
  if (!file) return { records: [], damaged: 0, end: from, unfinished: 0 }
  try {
    const { size } = await file.stat()
    const bytes = Buffer.alloc(Math.max(0, size - from))
    const { bytesRead } = await file.read(bytes, 0, bytes.length, from)
    const parsed = parseLines(bytes.subarray(0, bytesRead), from)
    return { ...parsed, unfinished: from + bytesRead - parsed.end }
  } finally {
    await file.close()
  }
}

/** One line again, by its place. */
async function readLineAt(path: string, { offset, bytes }: Pick<Read, 'offset' | 'bytes'>): Promise<Read['line'] | undefined> {
  const file = await open(path, constants.O_RDONLY)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, offset)
    return parseLines(buffer.subarray(0, bytesRead)).records[0]?.line
  } finally {
    await file.close()
  }
}

/** An entry with its body. */
export async function readEntry(directory: string, { segment, ...place }: Pick<Read, 'offset' | 'bytes'> & { segment: string }): Promise<Entry | undefined> {
  const line = await readLineAt(join(directory, segment), place)
  return line?.kind === 'append' ? line : undefined
}

export async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(ifMissing))?.size ?? 0
}

/** Removes a segment: its entries first, so that a crash between leaves none without what became of it. */
export async function removeSegment(directory: string, { name }: Segment): Promise<void> {
  await rm(join(directory, name), { force: true })
  await syncDirectory(directory)
  await rm(join(directory, doneOf(name)), { force: true })
}

/** What such a crash left. */
export async function removeOrphans(directory: string): Promise<void> {
  const names = new Set(await readdir(directory))
  for (const name of names) {
    const log = name.replace(/\.done$/, '.log')
    if (name !== log && form.test(log) && !names.has(log)) await rm(join(directory, name), { force: true })
  }
}

/** A file's name lasts only when its directory is flushed too. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

export function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
