import { BlobMissing } from '../../blob/index.ts'
import { findOperation } from '../../operation/index.ts'
import { AppError } from '../../problem/index.ts'
import { type Ctx, requireScope } from '../../tenant/index.ts'
import type { ExportPosition } from './export-work.ts'
import { folderOf, type Store, uploadOf } from './objects.ts'
import { importOf } from './start-import.ts'

const removed = 'The parts of this operation were removed.'

/** The bytes of a part of an export, which came whole before the first is given. @throws AppError forbidden, not_found; gone when its time is over */
export async function partOf(ctx: Ctx, id: string, number: string, store: Store): Promise<{ bytes: number; content: AsyncGenerator<Buffer> }> {
  requireScope(ctx, 'memory:read')
  const { shown, position, objectsUntil } = await findOperation(ctx, id)
  const { parts = [], versions } = position as ExportPosition
  const part = shown.kind === 'export' ? parts[numberOf(number) - 1] : undefined
  if (!part) throw new AppError('not_found', 'There is no such part of an export.')
  if (versions) requireScope(ctx, 'memory:history')
  if (!objectsUntil) throw new AppError('gone', removed)
  const content = (await store()).get(`${folderOf(ctx.tenantId, id)}/${part.object}`)[Symbol.asyncIterator]()
  const first = await content.next().catch((error) => {
    throw error instanceof BlobMissing ? new AppError('gone', removed, { cause: error }) : error
  })
  return { bytes: part.bytes, content: behind() }

  async function* behind(): AsyncGenerator<Buffer> {
    try {
      for (let next = first; !next.done; next = await content.next()) yield next.value
    } finally {
      await content.return?.()
    }
  }
}

/** Takes a part of an import, all of it or nothing. @throws AppError forbidden, not_found; conflict when it was started; invalid, too_large when it is not of the size announced */
export async function takePart(ctx: Ctx, id: string, number: string, body: AsyncIterable<Uint8Array>, store: Store): Promise<void> {
  const { shown, position, objectsUntil } = await importOf(ctx, id)
  const part = numberOf(number)
  const announced = position.bytes[part - 1]
  if (announced === undefined) throw new AppError('not_found', 'There is no such part of an import.')
  if (!objectsUntil) throw new AppError('gone', removed)
  if (shown.state !== 'waiting') throw new AppError('conflict', 'This import was started: nothing is added to it.')
  await (await store()).put(uploadOf(ctx.tenantId, id, part), exactly(body, announced))
}

async function* exactly(body: AsyncIterable<Uint8Array>, announced: number): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const piece of body) {
    bytes += piece.byteLength
    if (bytes > announced) throw new AppError('too_large', `This part was announced with ${announced} bytes, and more came.`)
    yield piece
  }
  if (bytes < announced) throw new AppError('invalid', `This part was announced with ${announced} bytes, and ${bytes} came.`)
}

const numberOf = (text: string): number => (/^[1-9]\d{0,5}$/.test(text) ? Number(text) : 0)
