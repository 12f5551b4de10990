import { randomUUID } from 'node:crypto'
import { type BackupKey, keyAt, type Manifest, openArchive, type RestoreStep, restore, storedRows, totalRows, verifyArchive } from '../backup/index.ts'
import type { BlobStore } from '../blob/index.ts'
import { type Database, migrate, schemaVersion } from '../db/index.ts'
import { askQuestion, type Probe } from '../probe/index.ts'
import { readCatalog } from './catalog.ts'
import { type Check, examine, percentiles, type Recalled } from './examine.ts'
import type { DrillReport } from './report.ts'
import { createScratch, dropScratch, scratchName } from './scratch.ts'

export type DrillDeps = {
  /** The login that migrates and restores; the copy lies in a schema beside the live one. */
  owner: Database
  /** Of the live database, for how long it takes to answer the same questions. */
  worker: Database
  store: BlobStore
  prefix: string
  key: BackupKey | undefined
}
export type DrillStep = RestoreStep | 'examine'
export type DrillOptions = {
  id?: string
  /** The archive's name; without it there is none to drill. */
  archive: string | undefined
  signal?: AbortSignal | undefined
  onProgress?: ((step: DrillStep, rows: number, total: number) => void) | undefined
  /** Hears the name of the schema before it is made, so that somebody can remove it when this process cannot. */
  onScratch?: ((name: string) => Promise<void>) | undefined
}

/** One statement may read a whole table. */
const statementMs = 6 * 3_600_000
/** A copy that answers this much more slowly than the live database, and not within a moment either, lacks something. */
const slower = { factor: 5, leastMs: 2_000 } as const

/**
 * Restores an archive into a schema of its own, examines what came of it, and removes it. Whatever is wrong, with the archive, the restore or the copy, is a check that failed in the
 * report. @throws Error only when the signal ends it
 */
export async function drill(deps: DrillDeps, { id = randomUUID(), archive: name, signal, onProgress, onScratch }: DrillOptions): Promise<DrillReport> {
  const started = new Date()
  const report: DrillReport = {
    ...{ format: 'soma-drill', format_version: 1, drill_id: id, ok: false, archive: name ?? null, archive_id: null, instant: null },
    ...{ schema_version: schemaVersion, engine: deps.owner.engine, started_at: started.toISOString(), ended_at: started.toISOString() },
    ...{ rpo_seconds: null, rto_seconds: null, seconds: { verify: 0, restore: 0, examine: 0 }, tenants: 0, rows: 0, bytes: 0 },
    recall: { questions: 0, same: 0, overlap: 1, p50_ms: null, p95_ms: null, live_p95_ms: null },
    checks: [],
  }
  const stopped = () => {
    if (signal?.aborted) throw new Error('The drill was stopped before it was over; its copy was removed.', { cause: signal.reason })
  }
  /** Runs a step; what it throws is a check that failed, and ends the drill. */
  const step = async <T>(check: string, work: () => Promise<T>): Promise<T | undefined> => {
    stopped()
    try {
      return await work()
    } catch (error) {
      stopped()
      report.checks.push({ name: check, ok: false, detail: error instanceof Error ? error.message : String(error) })
      return undefined
    }
  }
  await runSteps(deps, report, name, { step, stopped, signal, onProgress, onScratch })
  report.ended_at = new Date().toISOString()
  report.ok = report.checks.every((check) => check.ok) && report.checks.some((check) => check.name === 'recall')
  return report
}

type Steps = Pick<DrillOptions, 'signal' | 'onProgress' | 'onScratch'> & { stopped: () => void; step: <T>(check: string, work: () => Promise<T>) => Promise<T | undefined> }

async function runSteps(
  { owner, worker, store, prefix, key }: DrillDeps,
  report: DrillReport,
  name: string | undefined,
  { step, stopped, signal, onProgress, onScratch }: Steps,
): Promise<void> {
  const began = performance.now()
  const since = (from: number) => Math.round((performance.now() - from) / 10) / 100
  const archive = await step('archive', async () => {
    if (name === undefined) throw new Error('There is no backup to restore: none was ever written where backups are kept.')
    const place = { store, prefix: keyAt({ store, prefix }, name) }
    const opened = await openArchive(place, key)
    const { manifest } = opened
    const total = storedRows(opened)
    Object.assign(report, { archive_id: manifest.archive_id, instant: manifest.created_at, tenants: manifest.tenants, rows: totalRows(manifest) })
    report.rpo_seconds = Math.max(0, Math.round((Date.parse(report.started_at) - Date.parse(manifest.created_at)) / 1000))
    const { bytes, parts, archives } = await verifyArchive(opened, true, (rows) => {
      signal?.throwIfAborted()
      onProgress?.('verify', rows, total)
    })
    report.bytes = bytes
    const others = archives === 1 ? '' : `, with ${archives - 1} that it builds on,`
    report.checks.push({ name: 'archive', ok: true, detail: `All ${parts} parts of ${manifest.created_at}${others} are whole, down to each row.` })
    return { place }
  })
  report.seconds.verify = since(began)
  if (!archive) return
  const { place } = archive
  const scratch = scratchName(new Date())
  try {
    const restoring = performance.now()
    const probes = new Map<number, Probe[]>()
    const restored = await step('restore', async () => {
      await onScratch?.(scratch)
      const copy = await createScratch(owner, scratch)
      await migrate(copy)
      const access = { role: 'soma_worker', tenantId: null, timeoutMs: statementMs } as const
      const catalog = await copy.transaction(access, readCatalog)
      const told: Manifest[] = []
      const { rows, generation } = await restore(copy, place, {
        key,
        signal,
        onProgress,
        onProbes: (tenant, asked) => probes.set(tenant, [...(probes.get(tenant) ?? []), ...asked]),
        onContents: (manifest) => told.push(manifest),
      })
      report.checks.push({ name: 'restore', ok: true, detail: `${rows} rows are restored, as generation ${generation}.` })
      return { copy, access, catalog, manifest: told[0] as Manifest }
    })
    report.seconds.restore = since(restoring)
    if (!restored) return
    const examining = performance.now()
    const examined = await step('examination', () =>
      restored.copy.transaction({ ...restored.access, readOnly: true }, (tx) =>
        examine(tx, { manifest: restored.manifest, probes, catalog: restored.catalog }, (rows) => {
          signal?.throwIfAborted()
          onProgress?.('examine', rows, report.rows)
        }),
      ),
    )
    report.seconds.examine = since(examining)
    if (!examined) return
    report.checks.push(...examined.checks)
    report.rto_seconds = since(began)
    // a live database that cannot answer is no fault of the copy
    const live = await askLive(worker, probes).catch(() => undefined)
    stopped()
    report.recall = { ...examined.recalled, live_p95_ms: live?.p95_ms ?? null }
    report.checks.push(latencyCheck(examined.recalled, live))
  } finally {
    await dropScratch(owner, scratch).catch((error) =>
      report.checks.push({ name: 'removal', ok: false, detail: `The copy in the schema ${scratch} could not be removed: ${error.message}` }),
    )
  }
}

/** How long the live database takes for the same questions; its answers are those of now. */
async function askLive(worker: Database, probes: ReadonlyMap<number, Probe[]>): Promise<{ p95_ms: number | null }> {
  const times: number[] = []
  for (const [tenant, asked] of probes) {
    await worker.transaction({ role: 'soma_worker', tenantId: tenant, readOnly: true }, async (tx) => {
      for (const probe of asked) {
        const started = performance.now()
        await askQuestion(tx, tenant, probe)
        times.push(performance.now() - started)
      }
    })
  }
  return percentiles(times)
}

function latencyCheck({ p95_ms: copy }: Recalled, live: { p95_ms: number | null } | undefined): Check {
  const most = Math.max(slower.leastMs, slower.factor * (live?.p95_ms ?? 0))
  const beside = live ? `by the live database within ${live.p95_ms ?? 0} ms` : 'and the live database could not be asked'
  return { name: 'latency', ok: (copy ?? 0) <= most, detail: `95 % of the questions are answered within ${copy ?? 0} ms, ${beside}.` }
}
