import { hostname } from 'node:os'
import { join } from 'node:path'
import type { BlobStore } from '../blob/index.ts'
import { lockDirectory } from '../lock/index.ts'
import { doneOf, readLines, removeSegment, type Segment } from './files.ts'
import { encodeLine } from './line.ts'
import { readJournal } from './reader.ts'

export type Shipping = { store: () => Promise<BlobStore>; prefix: string }

/**
 * Copies files whose entries have all ended to the blob store and removes them here; a crash between repeats the copy. What goes there says which requests came, when and what
 * became of them, without their bodies: the memories are in the database, and a copy of their text elsewhere would outlive an erasure. Answers the keys. @throws Error of the store
 */
export async function shipSegments(directory: string, segments: readonly Segment[], { store, prefix }: Shipping): Promise<string[]> {
  if (!segments.length) return []
  const blobs = await store()
  const host =
    hostname()
      .replaceAll(/[^A-Za-z0-9_-]/g, '-')
      .slice(0, 60) || 'host'
  const keys: string[] = []
  for (const segment of segments) {
    const entries = await readLines(join(directory, segment.name))
    const marks = await readLines(join(directory, doneOf(segment.name)))
    if (entries.records.length) {
      const key = [...(prefix === '' ? [] : [prefix]), 'journal', segment.day, `${host}.${segment.name}`].join('/')
      await blobs.put(key, pieces([...entries.records, ...marks.records].map(({ line }) => encodeLine(line.kind === 'append' ? { ...line, body: null } : line))))
      keys.push(key)
    }
    await removeSegment(directory, segment)
  }
  return keys
}

async function* pieces(lines: Buffer[]): AsyncGenerator<Buffer> {
  yield Buffer.concat(lines)
}

/** The same from outside of the process that writes, which must not run. @throws Error when it does, or of the store */
export async function shipFinished(directory: string, shipping: Shipping): Promise<string[]> {
  const unlock = await lockDirectory(directory, 'journal directory')
  try {
    const segments = await readJournal(directory).segments()
    return await shipSegments(
      directory,
      segments.filter(({ pending }) => pending === 0),
      shipping,
    )
  } finally {
    unlock()
  }
}
