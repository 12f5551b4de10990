import { BlobExists } from '../blob/index.ts'
import { assertSchema, type Database } from '../db/index.ts'
import { type ArchiveOptions, refuseStopped, type Written, writeArchive } from './archive.ts'
import { type Manifest, manifestName, unfinishedName } from './format.ts'
import { sealManifest } from './manifest.ts'
import { keyAt, type Place } from './place.ts'

export type BackupReport = {
  archive_id: string
  schema_version: number
  created_at: string
  tenants: number
  /** How many the archive holds, and how many there were: fewer are here where it builds on others. */
  rows: number
  total_rows: number
  bytes: number
  parts: number
  encrypted: boolean
  base: string | null
  tables: Record<string, number>
}
export type BackupOptions = Omit<ArchiveOptions, 'onPart'> & {
  /**
   * Hears after each part what has been written, at the end the whole, and answers whether it has kept that, so that the next backup can build on it: then what a backup that fails had written stays, for
   * that one. It never rejects.
   */
  onReached?: ((reached: Written, whole: boolean) => Promise<boolean>) | undefined
}

const taken = 'There is something already where the backup is to be written: name a new or an empty place.'
const leftBehind = 'What the backup had written could not be removed: it has no manifest, so nothing restores it, and it may be deleted.'

/** A statement fetches a page or asks for one fact; a page that waits this long waits for something that is broken. */
const statementMs = 600_000
/** One of an increment counts all rows of a tenant, or passes over them until it has a page of those that are fresh. */
const incrementMs = 6 * 3_600_000
const longText = 1024 * 1024
const seldomMs = 60_000

/**
 * Writes everything an installation holds, or one tenant, or what is not in another archive, into an archive, as one instant saw it: one repeatable-read transaction as soma_worker, tenant by tenant
 * under forced row-level security. The manifest is written last; what a backup that fails had written is removed, if nobody wants to build on it.
 * @throws Error when the place is not empty, or another backup writes into it, or the signal ends it; ArchiveError when there is no such tenant
 */
export async function backUp(worker: Database, place: Place, options: BackupOptions = {}): Promise<BackupReport> {
  if ((await place.store.list(place.prefix)).length) throw new Error(taken)
  await assertSchema(worker)
  const written: string[] = []
  let reached = false
  let said = 0
  const onPart = async (soFar: Written) => {
    const text = sealManifest(soFar.manifest, options.key)
    // it has a line for each table of each tenant: where these are many, not after each part
    if (text.length > longText && performance.now() - said < seldomMs) return reached
    said = performance.now()
    // before it is put, as a failed put may have stored it
    if (!written.includes(keyAt(place, unfinishedName))) written.push(keyAt(place, unfinishedName))
    await put(place, unfinishedName, text)
    // what was kept once stays so, whatever comes of this
    if (await options.onReached?.(soFar, false)) reached = true
    return reached
  }
  try {
    const whole = await worker.transaction({ role: 'soma_worker', tenantId: null, readOnly: true, timeoutMs: options.base ? incrementMs : statementMs }, (tx) =>
      writeArchive(tx, place, { ...options, onPart: options.onReached && onPart }, (key) => written.push(key)),
    )
    refuseStopped(options.signal, reached)
    const text = sealManifest(whole.manifest, options.key)
    await put(place, manifestName, text, { ifAbsent: true })
    // it is whole now, whatever comes of this: a reader takes the manifest
    if (written.includes(keyAt(place, unfinishedName))) await place.store.remove(keyAt(place, unfinishedName)).catch(() => {})
    await options.onReached?.(whole, true)
    return reportOf(whole.manifest, Buffer.byteLength(text))
  } catch (error) {
    // whoever wrote first keeps the place as it is: what is there now may be theirs
    if (error instanceof BlobExists) throw new Error(taken, { cause: error })
    const text = error instanceof Error ? error.message : String(error)
    if (reached) throw new Error(`${text} What it had written stays: the next one goes on with it.`, { cause: error })
    throw (await isRemoved(place, written)) ? error : new Error(`${text} ${leftBehind}`, { cause: error })
  }
}

async function put(place: Place, name: string, text: string, options?: { ifAbsent: boolean }): Promise<void> {
  const bytes = Buffer.from(text)
  await place.store.put(
    keyAt(place, name),
    (async function* () {
      yield bytes
    })(),
    options,
  )
}

/** The first part last: it keeps others out until the rest is gone. */
async function isRemoved({ store }: Place, written: string[]): Promise<boolean> {
  try {
    for (const key of written.toReversed()) await store.remove(key)
    return true
  } catch {
    return false
  }
}

export function totalRows({ contents }: Pick<Manifest, 'contents'>): number {
  return Object.values(contents).reduce((sum, tables) => sum + Object.values(tables).reduce((rows, content) => rows + content.rows, 0), 0)
}

function reportOf(manifest: Manifest, manifestBytes: number): BackupReport {
  const { archive_id, schema_version, created_at, tenants, tables, parts, encryption, base } = manifest
  return {
    archive_id,
    schema_version,
    created_at,
    tenants,
    rows: Object.values(tables).reduce((sum, table) => sum + table.rows, 0),
    total_rows: totalRows(manifest),
    bytes: parts.reduce((sum, part) => sum + part.bytes, manifestBytes),
    parts: parts.length,
    encrypted: encryption !== null,
    base: base?.archive ?? null,
    tables: Object.fromEntries(Object.entries(tables).map(([name, table]) => [name, table.rows])),
  }
}
