import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { constants, zstdCompress, zstdDecompress } from 'node:zlib'
import type { BlobStore } from '../blob/index.ts'
import { ArchiveError, BlockHeader, longestBlock, longestHeader, type Manifest, partName } from './format.ts'
import { type DataKey, dataKeyId, openBlock, sealBlock, sealedBytes } from './keys.ts'
import type { RowSum } from './row-hash.ts'

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)
/** Measured on vectors as hexadecimal digits: level 1 is three times as fast as 3, and smaller. */
const level = (table: string) => ({ params: { [constants.ZSTD_c_compressionLevel]: table === 'vectors' || table === 'closed_vectors' ? 1 : 3 } })

/** `text`: JSON objects (of `keys`: arrays), joined by newlines; `sum`: of the rows. */
export type Rows = { tenant: number; table: string; holds: 'rows' | 'keys'; rows: number; text: Buffer; sum?: RowSum }
export type EncodedBlock = { bytes: Buffer[]; length: number; of: Rows }

/** One block as it is stored: the header's length (4 bytes, big endian), the header as JSON, the rows. */
export async function encodeBlock(archiveId: string, block: number, of: Rows, dataKey: DataKey | undefined): Promise<EncodedBlock> {
  const { tenant, table, holds, rows, text } = of
  if (text.length > longestBlock) throw new Error(`A row of ${table} has ${text.length} bytes: longer than a block can be.`)
  const packed = await compress(text, level(table))
  const stored = dataKey ? sealedBytes(packed.length) : packed.length
  const header = Buffer.from(JSON.stringify({ block, tenant, table, key: dataKey?.id ?? 'none', holds, rows, text: text.length, stored } satisfies BlockHeader))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(header.length)
  const bytes = [length, header, ...(dataKey ? sealBlock(dataKey.key, archiveId, block, header, packed) : [packed])]
  return { bytes, of: { ...of, text: Buffer.alloc(0) }, length: 4 + header.length + stored }
}

/**
 * Writes blocks as they come into parts of about partBytes, each put when it is full; the store's pace is the source's. The first part claims the place:
 * of two backups into one, the second finds it and has written nothing. @throws BlobExists then
 */
export async function writeParts(
  store: BlobStore,
  keyOf: (name: string) => string,
  blocks: AsyncGenerator<EncodedBlock>,
  partBytes: number,
  heard: { written(key: string): void; onBlock(of: Rows): void; onPart(parts: Manifest['parts']): Promise<void> },
): Promise<Manifest['parts']> {
  const parts: Manifest['parts'] = []
  for (let next = await blocks.next(); !next.done; ) {
    const name = partName(parts.length + 1)
    const hash = createHash('sha256')
    const part = { name, bytes: 0, blocks: 0, rows: 0 }
    const placed: Rows[] = []
    const content = async function* () {
      while (!next.done && (part.blocks === 0 || part.bytes + next.value.length <= partBytes)) {
        for (const piece of next.value.bytes) {
          hash.update(piece)
          yield piece
        }
        part.bytes += next.value.length
        part.blocks += 1
        part.rows += next.value.of.rows
        placed.push(next.value.of)
        next = await blocks.next()
      }
    }
    const claim = parts.length === 0
    // before it is put, as a failed put may have stored it; but a first one that failed may be another's
    if (!claim) heard.written(keyOf(name))
    await store.put(keyOf(name), content(), { ifAbsent: claim })
    if (claim) heard.written(keyOf(name))
    parts.push({ ...part, sha256: hash.digest('hex') })
    for (const of of placed) heard.onBlock(of)
    if (!next.done) await heard.onPart(parts)
  }
  return parts
}

export type StoredBlock = { header: BlockHeader; headerBytes: Buffer; stored: Buffer }

/** The blocks of one part, of which every byte is hashed. `first` is the number the first block must have. @throws ArchiveError */
export async function* readPart(content: AsyncIterable<Buffer>, part: Manifest['parts'][number], first: number): AsyncGenerator<StoredBlock> {
  const damaged = (why: string, cause?: unknown) => new ArchiveError(`The part ${part.name} of the archive is damaged: ${why}.`, { cause })
  const hash = createHash('sha256')
  const source = content[Symbol.asyncIterator]()
  let held: Buffer = Buffer.alloc(0)
  let read = 0

  async function take(bytes: number): Promise<Buffer | undefined> {
    const pieces = [held]
    for (let length = held.length; length < bytes; ) {
      const { value, done } = await source.next()
      if (done) {
        if (length === 0) return undefined
        throw damaged('it ends in the middle of a block')
      }
      hash.update(value)
      read += value.length
      length += value.length
      pieces.push(value)
    }
    const joined = pieces.length === 1 ? held : Buffer.concat(pieces)
    held = joined.subarray(bytes)
    return joined.subarray(0, bytes)
  }

  try {
    let blocks = 0
    for (;;) {
      const length = (await take(4))?.readUInt32BE()
      if (length === undefined) break
      if (length === 0 || length > longestHeader) throw damaged(`block ${first + blocks} has no header`)
      const headerBytes = (await take(length)) ?? Buffer.alloc(0)
      const header = headerOf(headerBytes, (cause) => damaged(`the header of block ${first + blocks} cannot be read`, cause))
      if (header.block !== first + blocks) throw damaged(`block ${header.block} stands where block ${first + blocks} belongs`)
      const stored = await take(header.stored)
      if (!stored) throw damaged('it ends in the middle of a block')
      blocks += 1
      yield { header, headerBytes, stored }
    }
    if (read !== part.bytes || blocks !== part.blocks) throw damaged(`it has ${blocks} blocks in ${read} bytes, the manifest says ${part.blocks} in ${part.bytes}`)
    if (hash.digest('hex') !== part.sha256) throw damaged('its SHA-256 is not that of the manifest')
  } finally {
    await source.return?.()
  }
}

function headerOf(bytes: Buffer, damaged: (cause: unknown) => ArchiveError): BlockHeader {
  try {
    return BlockHeader.parse(JSON.parse(bytes.toString()))
  } catch (cause) {
    throw damaged(cause)
  }
}

/** Authenticates and decrypts a block; without encryption it is only checked that none is claimed. @throws ArchiveError */
export function unlockBlock({ archive_id: archiveId, encryption }: Manifest, { header, headerBytes, stored }: StoredBlock, keyOf: (id: string) => Buffer): Buffer {
  const expected = encryption ? dataKeyId(header.tenant) : 'none'
  if (header.key !== expected) throw new ArchiveError(`Block ${header.block} of the archive names the key ${header.key} where ${expected} belongs.`)
  if (!encryption) return stored
  try {
    return openBlock(keyOf(header.key), archiveId, header.block, headerBytes, stored)
  } catch (cause) {
    if (cause instanceof ArchiveError) throw cause
    throw new ArchiveError(`Block ${header.block} of the archive is not what was written there: its authentication fails.`, { cause })
  }
}

/** @throws ArchiveError when it is not as long as its header says, or cannot be unpacked */
export async function unpackBlock({ block, text }: BlockHeader, packed: Buffer): Promise<Buffer> {
  const unpacked = await decompress(packed, { maxOutputLength: text }).catch((cause) => {
    throw new ArchiveError(`Block ${block} of the archive cannot be unpacked.`, { cause })
  })
  if (unpacked.length !== text) throw new ArchiveError(`Block ${block} of the archive has ${unpacked.length} bytes, its header says ${text}.`)
  return unpacked
}
