import { type FileHandle, open } from 'node:fs/promises'
import { contentHash, type ImportReport, readLines, transferLimits } from '../../shared/transfer/index.ts'
import type { Connection } from './connect.ts'
import { CommandError } from './failure.ts'
import type { Globals } from './globals.ts'
import { lookAt, nextLook } from './operation.ts'
import { remark } from './output.ts'
import { showProgress } from './progress.ts'

const chunkBytes = 256 * 1024

/** Sends a file of an export in parts and has it imported by an operation, which goes on without this command; waits for what came of it. */
export async function importByParts(connection: Connection, path: string, options: Globals): Promise<ImportReport & { hash: string }> {
  const { client } = connection
  const file = await open(path).catch(() => {
    throw new CommandError('not_found', `There is no file ${path}.`)
  })
  const hash = contentHash()
  try {
    const parts = await partsOf(file, transferLimits.partBytes)
    const { size } = await file.stat()
    const { id } = await client.announceImport(parts.map(({ bytes }) => bytes))
    remark(options, `The operation is ${id}.`)
    const sending = showProgress(options, { label: 'Sending', unit: 'bytes', total: size })
    for (const [index, { from, bytes }] of parts.entries()) {
      const { buffer } = await file.read(Buffer.allocUnsafe(bytes), 0, bytes, from)
      // asked for anew before each part: its URL is young then
      const part = (await client.operation(id)).parts?.[index]
      if (!part?.url) throw new CommandError('failed', `The operation ${id} takes no parts any more.`)
      await client.putPart(id, part, buffer)
      for await (const raw of readLines([buffer] as unknown as AsyncIterable<Uint8Array>)) if ('text' in raw) addLine(hash, raw.text)
      sending.report(from + bytes)
    }
    sending.end()
    await client.startImport(id)
    const storing = showProgress(options, { label: 'Importing', unit: 'bytes', total: size })
    try {
      for (;;) {
        const { state, progress, result } = await lookAt(connection, id)
        storing.report(Math.round(progress * size))
        if (state === 'succeeded') return { ...(result as ImportReport), hash: hash.digest().hash }
        await nextLook(connection)
      }
    } finally {
      storing.end()
    }
  } finally {
    await file.close()
  }
}

/** Where a file is cut: behind lines, no part larger than `most`. @throws CommandError when a line is */
async function partsOf(file: FileHandle, most: number): Promise<{ from: number; bytes: number }[]> {
  const { size } = await file.stat()
  if (size === 0) throw new CommandError('usage', 'The file is empty.')
  const parts: { from: number; bytes: number }[] = []
  for (let from = 0; from < size; ) {
    const end = from + most >= size ? size : await lastLineEnd(file, from, from + most)
    parts.push({ from, bytes: end - from })
    from = end
  }
  return parts
}

async function lastLineEnd(file: FileHandle, from: number, to: number): Promise<number> {
  const buffer = Buffer.allocUnsafe(chunkBytes)
  for (let end = to; end > from; ) {
    const begin = Math.max(from, end - chunkBytes)
    const { bytesRead } = await file.read(buffer, 0, end - begin, begin)
    const found = buffer.lastIndexOf(10, bytesRead - 1)
    if (found !== -1) return begin + found + 1
    end = begin
  }
  throw new CommandError('failed', `The line at byte ${from} is longer than any that is taken.`)
}

function addLine(hash: ReturnType<typeof contentHash>, text: string): void {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) hash.add(value as Record<string, unknown>)
  } catch {
    // the report of the import names this line
  }
}
