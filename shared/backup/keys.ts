import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { ArchiveError } from './format.ts'

/** What BACKUP_KEY gives: a key that encrypts data keys, one that seals manifests, and a name for it that tells nothing about it. */
export type BackupKey = { id: string; wrapping: Buffer; sealing: Buffer }
export type DataKey = { id: string; key: Buffer }

const algorithm = 'aes-256-gcm'
const nonceBytes = 12
const tagBytes = 16

/** 32 bytes, as 64 hexadecimal digits or in base64. HKDF-SHA-256 (RFC 5869) makes a key for each purpose. @throws Error on any other text */
export function readBackupKey(text: string): BackupKey {
  const secret = /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, 'hex') : Buffer.from(text, 'base64')
  if (secret.length !== 32) throw new Error('BACKUP_KEY takes 32 bytes, as 64 hexadecimal digits or in base64.')
  const derive = (purpose: string, bytes: number) => Buffer.from(hkdfSync('sha256', secret, '', `soma backup ${purpose}`, bytes))
  return { id: derive('key id', 8).toString('hex'), wrapping: derive('data keys', 32), sealing: derive('manifest', 32) }
}

/** A tenant's data key has the tenant's number in its name: whoever drops the wrapped key knows whose rows become unreadable. */
export const dataKeyId = (tenant: number) => `tenant-${tenant}`

export function createDataKey(tenant: number): DataKey {
  return { id: dataKeyId(tenant), key: randomBytes(32) }
}

/** The archive and the key's id are authenticated with it: a wrapped key opens nothing elsewhere. */
const wrapContext = (archiveId: string, id: string) => Buffer.from(`soma backup data key ${archiveId} ${id}`)

export function wrapDataKey({ wrapping }: BackupKey, archiveId: string, { id, key }: DataKey): string {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv(algorithm, wrapping, nonce).setAAD(wrapContext(archiveId, id))
  return Buffer.concat([nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()]).toString('base64')
}

/** @throws ArchiveError when it was wrapped by another key, for another archive or id, or is damaged */
export function unwrapDataKey({ wrapping }: BackupKey, archiveId: string, id: string, wrapped: string): Buffer {
  const bytes = Buffer.from(wrapped, 'base64')
  try {
    const decipher = createDecipheriv(algorithm, wrapping, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
      .setAAD(wrapContext(archiveId, id))
      .setAuthTag(bytes.subarray(-tagBytes))
    return Buffer.concat([decipher.update(bytes.subarray(nonceBytes, -tagBytes)), decipher.final()])
  } catch (cause) {
    throw new ArchiveError(`The data key ${id} of the archive cannot be opened with BACKUP_KEY: it is damaged or belongs to another archive.`, { cause })
  }
}

/** A block's number is its nonce: a data key serves one archive, where no number comes twice. */
function blockNonce(block: number): Buffer {
  const nonce = Buffer.alloc(nonceBytes)
  nonce.writeBigUInt64BE(BigInt(block), 4)
  return nonce
}
/** The archive's id and the whole header are authenticated with a block: it fits no other place and no other archive. */
const blockContext = (archiveId: string, header: Uint8Array) => Buffer.concat([Buffer.from(archiveId), header])

export const sealedBytes = (bytes: number) => bytes + tagBytes

export function sealBlock(key: Buffer, archiveId: string, block: number, header: Uint8Array, text: Uint8Array): Buffer[] {
  const cipher = createCipheriv(algorithm, key, blockNonce(block)).setAAD(blockContext(archiveId, header))
  return [cipher.update(text), cipher.final(), cipher.getAuthTag()]
}

/** @throws Error when the block, its header or its place is not what was sealed, or the key is another */
export function openBlock(key: Buffer, archiveId: string, block: number, header: Uint8Array, stored: Uint8Array): Buffer {
  const decipher = createDecipheriv(algorithm, key, blockNonce(block), { authTagLength: tagBytes }).setAAD(blockContext(archiveId, header)).setAuthTag(stored.subarray(-tagBytes))
  return Buffer.concat([decipher.update(stored.subarray(0, -tagBytes)), decipher.final()])
}

export function macOf({ sealing }: BackupKey, text: string): string {
  return createHmac('sha256', sealing).update(text).digest('hex')
}
