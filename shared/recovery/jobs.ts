import { archiveName, type BackupKey, type BackupReport, backUp, digitsOf, keyAt } from '../backup/index.ts'
import type { BlobStore } from '../blob/index.ts'
import type { Database } from '../db/index.ts'
import { type DrillOptions, type DrillReport, drill, dropScratch, faultsOf, publicKeyOf, scratches, signReport } from '../drill/index.ts'
import { buildable, type Keep, type Kept as KeptArchive, listArchives, removable, removeArchive, soundArchives } from './retention.ts'
import { endRequested, provedArchives, scratchesInUse, withRun } from './runs.ts'
import { fullFailed, incrementPeriod, isDue, noteSchedule } from './schedule.ts'
import { type BackupKind, baseFor, forgetStates, keepState } from './states.ts'

/** Where archives are kept, and what encrypts them. */
export type Archives = { store: () => Promise<BlobStore>; prefix: string; key: BackupKey | undefined }
type Backup = Archives & { worker: Database }
export type BackedUp = BackupReport & { name: string; kind: BackupKind }
export type BackupOptions = {
  signal: AbortSignal
  onProgress?: (rows: number) => void
  /** An increment becomes a full one where there is nothing that it could build on. */
  kind?: BackupKind
  /** The share of its time in which it asks the database, above 0 and at most 1. */
  pace?: number
  /** A part's length, about. */
  partBytes?: number | undefined
}

/** Whose archives are meant: of several installations that share a bucket each sees its own. */
async function installationOf(worker: Database): Promise<string> {
  const [row] = await worker.statement<{ id: string }>({ role: 'soma_worker', tenantId: null, readOnly: true }, 'select installation_id as id from installation')
  return (row as { id: string }).id
}

/**
 * Writes an archive under a new name, as a run that others see: a full one, which goes on with what another had written of one when it was broken off, or an increment, with what the newest archive has not.
 * @throws AppError conflict while another is running
 */
export async function runBackup(
  { worker, store, prefix, key }: Backup,
  by: string,
  { signal, onProgress, kind: wanted = 'full', pace, partBytes }: BackupOptions,
): Promise<BackedUp> {
  const place = await store()
  const { done } = await withRun(worker, { kind: 'backup', by, asked: wanted === 'full' }, async ({ told }) => {
    const installation = await installationOf(worker)
    const there = await listArchives(place, prefix, installation)
    const increment = wanted === 'increment' ? await baseFor(worker, 'increment', key, buildable(there, 'i')) : undefined
    const kind: BackupKind = increment ? 'increment' : 'full'
    const base = increment ?? (await baseFor(worker, 'full', key, buildable(there, 'r')))
    const name = archiveName(new Date(), installation, base && { on: digitsOf(base.archive), as: increment ? 'i' : 'r' })
    await told({ archive: name })
    // the embedded engine has one connection, which the backup has; and an increment is soon written again
    const resumable = kind === 'full' && worker.engine !== 'pglite'
    const written = await backUp(
      worker,
      { store: place, prefix: keyAt({ store: place, prefix }, name) },
      {
        ...{ key, signal, onProgress, base, pace, partBytes },
        onReached: async (reached, whole) => {
          if (!whole && !resumable) return false
          return keepState(worker, name, kind, reached, whole).then(
            () => true,
            () => false,
          )
        },
      },
    )
    // somebody may have removed that meanwhile
    const sound = !base || soundArchives(await listArchives(place, prefix, installation)).some((one) => one.name === name)
    if (!sound) throw new Error(`What the archive ${name} builds on was removed while it was written: it cannot be read. The next one stands by itself.`)
    const report = { name, kind, ...written }
    return { archive: name, instant: written.created_at, report: JSON.stringify(report), done: report }
  })
  return done
}

export type Kept = { backup: BackedUp | null; removed: string[] }

type Policy = { everyHours: number; incrementHours: number; keep: Keep; pace?: number }

/** Writes the backup that is due or asked for, and removes what the policy does not keep, of this installation's own archives. */
export async function keepBackups(deps: Backup & Policy, signal: AbortSignal): Promise<Kept> {
  const { worker, store, prefix, everyHours, incrementHours, keep, pace = 1 } = deps
  const between = everyHours > 0 && incrementHours > 0 ? await incrementPeriod(worker, incrementHours, everyHours) : 0
  await noteSchedule(worker, 'backup', between > 0 ? between : everyHours)
  const full = await isDue(worker, 'backup', everyHours)
  const increment = between > 0 && (await isDue(worker, 'increment', between))
  // while full ones fail, increments go on between the tries
  const kind = full && !(increment && (await fullFailed(worker))) ? 'full' : increment ? 'increment' : undefined
  const backup = kind ? await runBackup(deps, 'schedule', { signal, kind, pace }) : null
  // without a schedule nothing is removed either: then archives are somebody's own affair, and there may be no place for any
  if (everyHours === 0 && !backup) return { backup, removed: [] }
  const place = await store()
  const installation = await installationOf(worker)
  const archives = await listArchives(place, prefix, installation)
  const removed: string[] = []
  const gone = everyHours === 0 ? [] : removable(archives, keep, await provedArchives(worker), new Date())
  for (const { name } of newestFirst(gone)) {
    if (signal.aborted) break
    await removeArchive(place, prefix, name)
    removed.push(name)
  }
  await forgetStates(worker, new Set(archives.map(({ name }) => name).filter((name) => !removed.includes(name))))
  return { backup, removed }
}

/** So that none is ever there without what it builds on. */
const newestFirst = (archives: readonly KeptArchive[]): KeptArchive[] => archives.toSorted((a, b) => (a.name < b.name ? 1 : -1))

type Drill = Archives & { owner: Database; worker: Database; signingKey: string }

/** Removes what drills left behind whose process is gone. */
async function cleanUp({ owner, worker }: Pick<Drill, 'owner' | 'worker'>): Promise<void> {
  const left = await scratches(owner)
  const used = left.length ? await scratchesInUse(worker) : new Set()
  for (const name of left) if (!used.has(name)) await dropScratch(owner, name)
}

/**
 * Restores this installation's newest archive, or the one that is named, into a schema of its own and examines it, as a run that others see; the report is signed. One that is named says nothing of the newest:
 * it is nobody's turn. @throws AppError conflict while another is running
 */
export async function runDrill(
  deps: Drill,
  by: string,
  { archive, signal, onProgress }: Partial<Pick<DrillOptions, 'archive' | 'signal' | 'onProgress'>> = {},
): Promise<DrillReport> {
  if (deps.signingKey === '') throw new Error('SIGNING_KEY is missing: a drill signs its report.')
  const store = await deps.store()
  const { done } = await withRun(deps.worker, { kind: 'drill', by, apart: archive !== undefined }, async ({ id, told }) => {
    await cleanUp(deps)
    const newest = archive ?? (await listArchives(store, deps.prefix, await installationOf(deps.worker))).findLast(({ whole }) => whole)?.name
    if (newest !== undefined) await told({ archive: newest })
    const report = await drill({ ...deps, store }, { id, archive: newest, signal, onProgress, onScratch: (scratch) => told({ scratch }) })
    const { text, signature } = signReport(report, deps.signingKey)
    return { archive: report.archive, instant: report.instant, problem: faultsOf(report), report: text, signature, publicKey: publicKeyOf(deps.signingKey), done: report }
  })
  return done
}

/** The drill that is due or asked for; undefined where none is. @throws Error when the database has grown beyond what may be copied, as mostGigabytes says */
export async function dueDrill(deps: Drill & { everyHours: number; mostGigabytes: number }, signal: AbortSignal): Promise<DrillReport | undefined> {
  await noteSchedule(deps.worker, 'drill', deps.everyHours)
  await cleanUp(deps)
  if (!(await isDue(deps.worker, 'drill', deps.everyHours))) return undefined
  await refuseTooLarge(deps)
  return runDrill(deps, 'schedule', { signal })
}

async function refuseTooLarge({ worker, mostGigabytes }: { worker: Database; mostGigabytes: number }): Promise<void> {
  const [row] = await worker.statement<{ gigabytes: number }>(
    { role: 'soma_worker', tenantId: null, readOnly: true },
    'select pg_database_size(current_database())::double precision / 1e9 as gigabytes',
  )
  const gigabytes = Math.ceil(row?.gigabytes ?? 0)
  if (gigabytes <= mostGigabytes) return
  const problem = `The database has ${gigabytes} GB, and a drill needs room for a copy of them and for its write-ahead log: see that there is, and set DRILL_MAX_GB (now ${mostGigabytes}) above that. Nothing was copied.`
  await endRequested(worker, 'drill', problem)
  throw new Error(problem)
}
