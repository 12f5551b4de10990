import { createHash, timingSafeEqual } from 'node:crypto'
import * as z from 'zod'
import { ArchiveError, formatVersion, Manifest, manifestName } from './format.ts'
import { type BackupKey, macOf } from './keys.ts'

/**
 * The manifest as it is stored: JSON whose last member is a seal over every byte before it: `sha256`, and with BACKUP_KEY `mac`, an HMAC-SHA-256.
 * Without a key damage is found; with one, forgery too.
 */
export function sealManifest(manifest: Manifest, key: BackupKey | undefined): string {
  const text = withSeal(JSON.stringify(manifest).slice(0, -1), key)
  if (Buffer.byteLength(text) > longestManifest) throw new Error(`The archive's ${manifestName} would have more than ${longestManifest} bytes, and nobody could read it.`)
  return text
}

/** With 50 tables of each, that of some hundred thousand tenants. */
export const longestManifest = 256 * 1024 * 1024
const sealMark = ',\n "seal": '

function withSeal(body: string, key: BackupKey | undefined): string {
  const seal = { sha256: createHash('sha256').update(body).digest('hex'), ...(key ? { mac: macOf(key, body) } : {}) }
  return `${body}${sealMark}${JSON.stringify(seal)}\n}\n`
}

const Told = z.object({ format: z.literal('soma-backup'), format_version: z.number(), encryption: z.nullable(z.object({ key_id: z.string() })) })

/** Checks every byte of it before anything in it is believed. @throws ArchiveError that says what is wrong */
export function openManifest(given: Buffer, key: BackupKey | undefined): Manifest {
  const text = given.toString()
  const damaged = (cause?: unknown) => new ArchiveError(`The archive's ${manifestName} is damaged: it is not what was written.`, { cause })
  const mark = text.lastIndexOf(sealMark)
  if (mark === -1) throw damaged()
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (error) {
    throw damaged(error)
  }
  // its own hash first: whose key it wants and which format it has are only believed of a whole one
  const body = text.slice(0, mark)
  const sha256 = createHash('sha256').update(body).digest('hex')
  if (!text.startsWith(`${sealMark}{"sha256":"${sha256}"`, mark)) throw damaged()
  const told = Told.safeParse(document)
  if (!told.success) throw damaged(told.error)
  if (told.data.format_version !== formatVersion) {
    throw new ArchiveError(`The archive has format ${told.data.format_version} and this version of Soma reads format ${formatVersion}: restore it with the version that wrote it.`)
  }
  const wanted = told.data.encryption?.key_id
  if (wanted !== undefined && !key) throw new ArchiveError(`The archive is encrypted with the key ${wanted}: set BACKUP_KEY to that key.`)
  if (wanted === undefined && key)
    throw new ArchiveError('The archive is not encrypted although BACKUP_KEY is set, so anybody could have made it: leave BACKUP_KEY away if you trust it.')
  if (key && wanted !== key.id) throw new ArchiveError(`The archive is encrypted with the key ${wanted}, and BACKUP_KEY is the key ${key.id}: set BACKUP_KEY to the archive's key.`)
  const expected = Buffer.from(withSeal(body, key))
  if (expected.length !== given.length || !timingSafeEqual(expected, given)) throw damaged()
  const { seal: _seal, ...rest } = document as Record<string, unknown>
  const parsed = Manifest.safeParse(rest)
  if (!parsed.success) throw damaged(parsed.error)
  return parsed.data
}
