import { createHash } from 'node:crypto'
import { type Manifest, openArchive, verifyArchive } from '../../shared/backup/index.ts'
import type { BackupKey } from '../../shared/backup/keys.ts'
import { openManifest, sealManifest } from '../../shared/backup/manifest.ts'
import { memoryStore } from './archives.ts'

export type Files = Map<string, Buffer>
export const part = 'part-000001.soma'
export const manifestOf = (files: Files, key?: BackupKey): Manifest => openManifest(files.get('manifest.json') as Buffer, key)

/** The archive with its manifest changed and sealed again, as nobody without the key can. */
export function resealed(files: Files, key: BackupKey | undefined, change: (manifest: Manifest) => void): Files {
  const manifest = structuredClone(manifestOf(files, key))
  change(manifest)
  return new Map([...files, ['manifest.json', Buffer.from(sealManifest(manifest, key))]])
}

/** The part's blocks in another order, or fewer or more of them, with hashes and numbers that say so. */
export function rearranged(files: Files, key: BackupKey | undefined, arrange: (blocks: Buffer[]) => Buffer[]): Files {
  const blocks = arrange(blocksOf(files.get(part) as Buffer))
  const bytes = Buffer.concat(blocks)
  return resealed(new Map([...files, [part, bytes]]), key, (manifest) => {
    Object.assign(manifest.parts[0] as object, { bytes: bytes.length, blocks: blocks.length, sha256: createHash('sha256').update(bytes).digest('hex') })
    manifest.blocks = blocks.length
  })
}

export function blocksOf(bytes: Buffer): Buffer[] {
  const blocks: Buffer[] = []
  for (let from = 0; from < bytes.length; ) {
    const header = 4 + bytes.readUInt32BE(from)
    const length = header + JSON.parse(bytes.toString('utf8', from + 4, from + header)).stored
    blocks.push(bytes.subarray(from, from + length))
    from += length
  }
  return blocks
}

export const flipped = (bytes: Buffer, place: number, bit = 0) => {
  const copy = Buffer.from(bytes)
  copy[place] = (copy[place] as number) ^ (1 << bit)
  return copy
}
export const moved = (blocks: Buffer[], from: number, to: number) => blocks.toSpliced(from, 1).toSpliced(to, 0, blocks[from] as Buffer)
export const place = (files: Files) => ({ store: memoryStore(new Map(files)), prefix: '' })
export const check = async (files: Files, key?: BackupKey) => verifyArchive(await openArchive(place(files), key), true)
