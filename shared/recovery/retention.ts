import { ArchiveError, type BackupKey, type Builds, digitsOf, keyAt, manifestName, openArchive, type Place } from '../backup/index.ts'
import type { BlobStore } from '../blob/index.ts'

/** So many days, weeks and months keep the newest full backup of theirs; so many days keep all increments. */
export type Keep = { daily: number; weekly: number; monthly: number }
/** An archive under a name that a backup gave it. `installation`: the first digits of the id of the one it is of. `whole`: its manifest, which is written last, is there. */
export type Kept = {
  name: string
  at: Date
  installation: string
  whole: boolean
  /** What it builds on; `on`: the chance digits of that one's name. */
  builds: Builds | undefined
}

const named = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-([0-9a-f]{8})-[0-9a-f]{8}(?:-([ir])([0-9a-f]{8}))?$/
const hour = 3_600_000
const day = 24 * hour
/** What has no manifest after this long is no backup that is still being written. */
const unfinishedAfter = 2 * day

/** The archives of a store under a prefix, the oldest first; with `installationId` those of that one only. What has another kind of name is nobody's here: it is neither listed nor ever removed. */
export async function listArchives(store: BlobStore, prefix: string, installationId?: string): Promise<Kept[]> {
  const names = new Map<string, boolean>()
  const from = prefix === '' ? 0 : prefix.length + 1
  for (const { key } of await store.list(prefix)) {
    const [name = '', file, ...deeper] = key.slice(from).split('/')
    if (!named.test(name) || file === undefined || deeper.length) continue
    names.set(name, names.get(name) || file === manifestName)
  }
  const all = [...names].map(([name, whole]) => ({ ...told(name), whole })).sort(inTime)
  return installationId === undefined ? all : all.filter(({ installation }) => installation === installationId.slice(0, installation.length))
}

/** Names tell the second; what was written within one builds on what was there already. */
const inTime = (a: Kept, b: Kept): number => a.at.getTime() - b.at.getTime() || Number(a.builds !== undefined) - Number(b.builds !== undefined) || (a.name < b.name ? -1 : 1)

function told(name: string): Omit<Kept, 'whole'> {
  const [, year, month, date, hours, minutes, seconds, installation = '', as, on = ''] = named.exec(name) as RegExpExecArray
  return { name, at: new Date(`${year}-${month}-${date}T${hours}:${minutes}:${seconds}Z`), installation, builds: as === 'i' || as === 'r' ? { on, as } : undefined }
}

/** An archive and all that it builds on, itself first; undefined where one of them is gone. */
function chainOf(archive: Kept, byDigits: ReadonlyMap<string, Kept>): Kept[] | undefined {
  const chain = [archive]
  for (let one = archive; one.builds; ) {
    const before = byDigits.get(one.builds.on)
    if (!before || chain.includes(before)) return undefined
    chain.push(before)
    one = before
  }
  return chain
}
const byDigitsOf = (archives: readonly Kept[]): Map<string, Kept> => new Map(archives.map((one) => [digitsOf(one.name), one]))

/** Those of which everything is there that they build on. */
export function soundArchives(archives: readonly Kept[]): Kept[] {
  const byDigits = byDigitsOf(archives)
  return archives.filter((one) => chainOf(one, byDigits))
}

/** All archives of a chain are read at once, each by a connection. */
const longestChain = 40
/** Those on which another may build: an increment on whole ones, and what goes on with one that was broken off on that; none on a chain that is long enough. */
export function buildable(archives: readonly Kept[], as: Builds['as']): Set<string> {
  const byDigits = byDigitsOf(archives)
  return new Set(archives.filter((one) => one.whole === (as === 'i') && (chainOf(one, byDigits)?.length ?? longestChain) < longestChain).map(({ name }) => name))
}

/** Those that were begun no later than that, the newest first. */
export function archivesBefore(archives: readonly Kept[], at: Date): Kept[] {
  const whole = soundArchives(archives).filter((one) => one.whole)
  const installations = new Set(whole.map(({ installation }) => installation))
  if (installations.size > 1)
    throw new ArchiveError(
      `There are archives of ${installations.size} installations (${[...installations].join(', ')}): name one of them, as its name tells whose and of when it is.`,
    )
  const before = whole.filter((one) => one.at.getTime() <= at.getTime())
  if (!before.length) throw new ArchiveError(`There is no archive of ${at.toISOString()} or before${whole[0] ? `: the oldest is ${whole[0].name}` : ''}.`)
  return before.toReversed()
}

/**
 * The name of the newest archive that is of no later than that instant: of the only installation that has any there. A name tells when an archive was begun, and its manifest the instant that it holds, some moments later.
 * @throws ArchiveError when there is none, or when several installations have some, of whom one has to be named
 */
export async function archiveOfTime(home: Place, key: BackupKey | undefined, at: Date): Promise<string> {
  const candidates = archivesBefore(await listArchives(home.store, home.prefix), at)
  for (const { name } of candidates) {
    const { manifest } = await openArchive({ ...home, prefix: keyAt(home, name) }, key)
    if (Date.parse(manifest.created_at) <= at.getTime()) return name
  }
  throw new ArchiveError(`There is no archive of ${at.toISOString()} or before: the oldest, ${candidates.at(-1)?.name}, was begun before that and holds a later instant.`)
}

/**
 * Which archives may go. The newest full one of each of the last days, weeks (from Monday, UTC) and months that have one stays, all of the last 24 hours, the increments of as many days, the newest of all,
 * and the newest that a drill has restored without a fault (`proved`); and with each all that it builds on. So whatever the policy says, the last good one is never among them. A future date keeps its archive.
 */
export function removable(archives: readonly Kept[], keep: Keep, proved: ReadonlySet<string>, now: Date): Kept[] {
  const newestFirst = soundArchives(archives)
    .filter(({ whole }) => whole)
    .sort((a, b) => b.at.getTime() - a.at.getTime() || (a.name < b.name ? 1 : -1))
  const full = newestFirst.filter(({ builds }) => builds?.as !== 'i')
  const stays = new Set<Kept>([...newestFirst.slice(0, 1), ...newestFirst.filter(({ name }) => proved.has(name)).slice(0, 1)])
  const ageOf = (one: Kept) => now.getTime() - one.at.getTime()
  for (const one of newestFirst) if (ageOf(one) < day || (one.builds?.as === 'i' && ageOf(one) < keep.daily * day)) stays.add(one)
  const periods: [number, (at: Date) => string][] = [
    [keep.daily, (at) => at.toISOString().slice(0, 10)],
    [keep.weekly, (at) => String(Math.floor((at.getTime() / day + 3) / 7))],
    [keep.monthly, (at) => at.toISOString().slice(0, 7)],
  ]
  for (const [most, periodOf] of periods) {
    const seen = new Set<string>()
    for (const one of full) {
      const period = periodOf(one.at)
      if (seen.has(period) || seen.size === most) continue
      seen.add(period)
      stays.add(one)
    }
  }
  const byDigits = byDigitsOf(archives)
  // what is younger than two days may still be written, or gone on with: what it builds on stays too
  for (const one of archives) if (!one.whole && ageOf(one) <= unfinishedAfter) stays.add(one)
  const needed = new Set([...stays].flatMap((one) => chainOf(one, byDigits) ?? [one]))
  return archives.filter((one) => !needed.has(one))
}

/** Removes an archive: its manifest first, so that what is left of a removal that broke off is no archive any more. */
export async function removeArchive(store: BlobStore, prefix: string, name: string): Promise<void> {
  const place = keyAt({ store, prefix }, name)
  const keys = (await store.list(place)).map(({ key }) => key)
  const manifest = keyAt({ store, prefix: place }, manifestName)
  for (const key of [...keys.filter((one) => one === manifest), ...keys.filter((one) => one !== manifest)]) await store.remove(key)
}
