import { type FileHandle, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncDirectory } from './files.ts'
import { encodeLine, type Line } from './line.ts'

/** A file that only grows. `append` resolves when the lines are on the disk; after one that failed the file takes no more, as nobody knows how it ends. */
export type AppendFile = { append(line: Line): Promise<{ offset: number; bytes: number }>; size(): number; broken(): boolean; close(): Promise<void> }

type Waiting = { bytes: Buffer; resolve: (place: { offset: number; bytes: number }) => void; reject: (error: unknown) => void }

/** Makes the file, or goes on at the end of one; what comes at once is written and flushed together. */
export async function openAppendFile(path: string): Promise<AppendFile> {
  const file = await open(path, 'a', 0o600)
  let size = 0
  try {
    size = (await file.stat()).size
    // an unfinished line of a process that died gets an end, so that nothing is glued to it
    if (size > 0 && !(await endsWithNewline(path, size))) size += (await file.write('\n')).bytesWritten
    await file.sync()
    await syncDirectory(dirname(path))
  } catch (error) {
    await file.close()
    throw error
  }
  let queue: Waiting[] = []
  let writing: Promise<void> | undefined
  let broken = false

  async function flush(): Promise<void> {
    while (queue.length) {
      const batch = queue
      queue = []
      try {
        if (broken) throw new Error('An earlier write to this file of the journal failed.')
        await writeAll(file, Buffer.concat(batch.map(({ bytes }) => bytes)))
        for (const { bytes, resolve } of batch) {
          resolve({ offset: size, bytes: bytes.length })
          size += bytes.length
        }
      } catch (error) {
        if (!broken) await takeBack(file, size)
        broken = true
        for (const { reject } of batch) reject(error)
      }
    }
    writing = undefined
  }

  return {
    append(line) {
      return new Promise((resolve, reject) => {
        queue.push({ bytes: encodeLine(line), resolve, reject })
        writing ??= Promise.resolve().then(flush)
      })
    },
    size: () => size,
    broken: () => broken,
    async close() {
      await writing
      await file.close()
    },
  }
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let written = 0; written < bytes.length; ) written += (await file.write(bytes, written)).bytesWritten
  await file.sync()
}

/** Nobody was told that these lines are kept: where the disk allows, they are not. Otherwise they may be stored, as any request that was answered with a 503. */
async function takeBack(file: FileHandle, size: number): Promise<void> {
  await file
    .truncate(size)
    .then(() => file.sync())
    .catch(() => {})
}

async function endsWithNewline(path: string, size: number): Promise<boolean> {
  const file = await open(path, 'r')
  try {
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1)
    return buffer[0] === 10
  } finally {
    await file.close()
  }
}
