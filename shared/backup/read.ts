import { BlobMissing } from '../blob/index.ts'
import { readPart, type StoredBlock, unlockBlock, unpackBlock } from './blocks.ts'
import { ArchiveError, type Manifest, manifestName, partName, probesTable, unfinishedName } from './format.ts'
import { type BackupKey, unwrapDataKey } from './keys.ts'
import { longestManifest, openManifest } from './manifest.ts'
import { besides, keyAt, type Place } from './place.ts'
import { createRowSum } from './row-hash.ts'
import { isArchived } from './tables.ts'

/** An archive whose manifest is whole and whose parts are all there, and nothing else beside them. */
export type Archive = {
  manifest: Manifest
  /** The one that it builds on; what that one builds on is before that. */
  before: Archive | undefined
  /** Every block of its own in order, authenticated and decrypted, still compressed. @throws ArchiveError at the first that is not what was written */
  blocks(): AsyncGenerator<{ block: StoredBlock; packed: Buffer }>
}

/** More than a chain has that is written once an hour for a month. */
const longestChain = 1000

/** From the one that holds everything that it says to the newest. */
export function chainOf(archive: Archive): Archive[] {
  const chain: Archive[] = []
  for (let one: Archive | undefined = archive; one; one = one.before) chain.unshift(one)
  return chain
}

/** With all that it builds on. @throws ArchiveError that says what is missing, foreign, damaged, or which key is wanted */
export async function openArchive(place: Place, key: BackupKey | undefined): Promise<Archive> {
  const newest = await openOne(place, key, manifestName)
  for (let [one, length] = [newest, 1]; one.manifest.base; [one, length] = [one.before as Archive, length + 1]) {
    const { archive: name, archive_id: id } = one.manifest.base
    if (length === longestChain) throw new ArchiveError(`The archive builds on more than ${longestChain} others.`)
    const there = besides(place, name)
    const before = await openBase(there, key).catch((cause) => {
      if (!(cause instanceof ArchiveError)) throw cause
      throw new ArchiveError(`The archive builds on ${name}, which cannot be read: ${cause.message}`, { cause })
    })
    if (before.manifest.archive_id !== id || before.manifest.schema_version !== newest.manifest.schema_version)
      throw new ArchiveError(`The archive builds on ${name}, and what lies there is another archive.`)
    one.before = before
  }
  return newest
}

/** What others build on may be what a backup had written when it was stopped. */
async function openBase(place: Place, key: BackupKey | undefined): Promise<Archive> {
  const whole = (await place.store.list(place.prefix)).some((one) => one.key === keyAt(place, manifestName))
  return openOne(place, key, whole ? manifestName : unfinishedName)
}

async function openOne(place: Place, key: BackupKey | undefined, name: string): Promise<Archive> {
  const manifest = openManifest(await readManifest(place, name), key)
  if (manifest.whole !== (name === manifestName)) throw new ArchiveError(`The archive's ${name} is that of another state of it: somebody has renamed it.`)
  await checkParts(place, manifest, name)
  const { archive_id: archiveId, encryption, parts } = manifest
  // unwrapped when its tenant's turn comes, and then kept: each tenant's blocks stand together
  let held: { id: string; key: Buffer } | undefined
  const keyOf = (id: string): Buffer => {
    if (held?.id === id) return held.key
    const wrapped = encryption?.data_keys[id]
    if (wrapped === undefined || !key) throw new ArchiveError(`The archive's manifest has no data key ${id}: what it encrypts cannot be read by anybody.`)
    held = { id, key: unwrapDataKey(key, archiveId, id, wrapped) }
    return held.key
  }
  return {
    manifest,
    before: undefined,
    async *blocks() {
      let first = 0
      for (const part of parts) {
        for await (const block of readPart(place.store.get(keyAt(place, part.name)), part, first)) yield { block, packed: unlockBlock(manifest, block, keyOf) }
        first += part.blocks
      }
    },
  }
}

async function readManifest(place: Place, name: string): Promise<Buffer> {
  const pieces: Buffer[] = []
  let length = 0
  try {
    for await (const piece of place.store.get(keyAt(place, name))) {
      pieces.push(piece)
      length += piece.length
      if (length > longestManifest) throw new ArchiveError(`The archive's ${name} is longer than one can be.`)
    }
  } catch (cause) {
    if (!(cause instanceof BlobMissing)) throw cause
    throw new ArchiveError(`There is no archive here: ${manifestName} is missing. It is written last, so a backup that was interrupted has none.`, { cause })
  }
  return Buffer.concat(pieces)
}

/** The parts have fixed names, so that no manifest leads a reader elsewhere. */
async function checkParts(place: Place, { parts, blocks }: Manifest, name: string): Promise<void> {
  for (const [i, part] of parts.entries()) {
    if (part.name !== partName(i + 1)) throw new ArchiveError(`The manifest names the part "${part.name.slice(0, 100)}" where ${partName(i + 1)} belongs.`)
  }
  const found = new Map((await place.store.list(place.prefix)).map(({ key, bytes }) => [key, bytes]))
  found.delete(keyAt(place, name))
  found.delete(keyAt(place, unfinishedName))
  // the next part, of which the one that was stopped could no longer say that it is there
  if (name === unfinishedName) found.delete(keyAt(place, partName(parts.length + 1)))
  for (const part of parts) {
    const bytes = found.get(keyAt(place, part.name))
    if (bytes === undefined) throw new ArchiveError(`The part ${part.name} of the archive is missing.`)
    if (bytes !== part.bytes) throw new ArchiveError(`The part ${part.name} of the archive has ${bytes} bytes, the manifest says ${part.bytes}.`)
    found.delete(keyAt(place, part.name))
  }
  const [foreign] = found.keys()
  if (foreign !== undefined) throw new ArchiveError(`The archive holds ${foreign}, which its manifest does not name.`)
  if (parts.reduce((sum, part) => sum + part.blocks, 0) !== blocks) throw new ArchiveError(`The manifest says ${blocks} blocks, its parts have another number.`)
}

export type VerifyReport = Pick<Manifest, 'archive_id' | 'created_at' | 'schema_version'> & {
  rows: number
  bytes: number
  parts: number
  blocks: number
  archives: number
  encrypted: boolean
}

/** Every part's hash and every block's authentication, of all archives that it builds on; with `contents` also each row, by the content hashes of the tables. @throws ArchiveError */
export async function verifyArchive(archive: Archive, contents: boolean, onProgress: (rows: number) => void = () => {}): Promise<VerifyReport> {
  const chain = chainOf(archive)
  let rows = 0
  for (const { manifest, blocks } of chain) {
    const sums = contents ? createSums(manifest) : undefined
    for await (const { block, packed } of blocks()) {
      if (sums) sums.add(block, await unpackBlock(block.header, packed))
      if (isOfTable(block)) rows += block.header.rows
      onProgress(rows)
    }
    sums?.check()
  }
  const { archive_id, created_at, schema_version, encryption } = archive.manifest
  const parts = chain.flatMap(({ manifest }) => manifest.parts)
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0)
  const blocks = chain.reduce((sum, { manifest }) => sum + manifest.blocks, 0)
  return { archive_id, created_at, schema_version, rows, bytes, parts: parts.length, blocks, archives: chain.length, encrypted: encryption !== null }
}

const isOfTable = ({ header }: StoredBlock): boolean => header.table !== probesTable && header.holds === 'rows'

/** How many rows all archives of a chain hold: more than there were, where newer ones have rows again. */
export const storedRows = (archive: Archive): number =>
  chainOf(archive).reduce((sum, { manifest }) => sum + Object.values(manifest.tables).reduce((rows, table) => rows + table.rows, 0), 0)

/** Rows by table, held against the manifest at the end. `add` answers where each row of the block's text begins and ends. */
export function createSums({ tables, probes, base }: Manifest) {
  let asked = 0
  const sums = new Map(Object.keys(tables).map((name) => [name, createRowSum()]))
  return {
    add({ header }: StoredBlock, text: Buffer): Buffer[] {
      const sum = sums.get(header.table)
      const isProbes = header.table === probesTable
      if (!isProbes && (!sum || !isArchived(header.table))) throw new ArchiveError(`Block ${header.block} of the archive holds rows of "${header.table}", which no archive has.`)
      const rows = linesOf(text)
      if (rows.length !== header.rows) throw new ArchiveError(`Block ${header.block} of the archive has ${rows.length} rows, its header says ${header.rows}.`)
      if (header.holds === 'keys' && (isProbes || !base)) throw new ArchiveError(`Block ${header.block} of the archive names rows of an archive before it, and there is none.`)
      if (isProbes) asked += rows.length
      else if (header.holds === 'rows') for (const row of rows) sum?.add(row)
      return rows
    },
    check(): void {
      if (asked !== probes) throw new ArchiveError(`The archive has ${asked} questions, its manifest says ${probes}.`)
      for (const [name, { rows, content }] of Object.entries(tables)) {
        const sum = sums.get(name)
        if (sum?.rows !== rows) throw new ArchiveError(`The archive has ${sum?.rows} rows of ${name}, its manifest says ${rows}.`)
        if (sum.digest() !== content) throw new ArchiveError(`The archive's rows of ${name} are not those its manifest has the content hash of.`)
      }
    },
  }
}

function linesOf(text: Buffer): Buffer[] {
  const lines: Buffer[] = []
  for (let from = 0; from <= text.length; ) {
    const end = text.indexOf(10, from)
    lines.push(text.subarray(from, end === -1 ? text.length : end))
    if (end === -1) break
    from = end + 1
  }
  return lines
}
