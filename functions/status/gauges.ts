import { unsealedAge } from '../../shared/audit/index.ts'
import { listModels, readChecks } from '../../shared/model/index.ts'
import { pendingByTenant } from '../../shared/outbox/index.ts'
import { recoveryState } from '../../shared/recovery/index.ts'
import { foldTenants } from '../../shared/telemetry/index.ts'
import type { StatusDeps } from './deps.ts'

/** Fills the gauges of what the database knows: outbox, models and their checks, backups and drills, the audit chain. They stay as they are while it cannot be asked. */
export async function readGauges({ worker, metrics, log }: Pick<StatusDeps, 'worker' | 'metrics' | 'log'>): Promise<void> {
  const read = Promise.all([pendingByTenant(worker), listModels(worker), readChecks(worker), recoveryState(worker), unsealedAge(worker)])
  await read.then(
    ([rows, models, checks, recovery, unsealed]) => {
      const { outboxPending, outboxDead, walLag, modelCoverage, vectorMissing, vectorStale, vectorRepaired, vectorCheckAge } = metrics
      // a tenant whose rows are all sent is not among them any more
      for (const gauge of [outboxPending, outboxDead, walLag, modelCoverage, vectorMissing, vectorStale, vectorRepaired, vectorCheckAge]) gauge.reset()
      for (const row of foldTenants(rows)) {
        outboxPending.set({ tenant: row.tenant }, row.pending)
        outboxDead.set({ tenant: row.tenant }, row.dead)
        walLag.set({ tenant: row.tenant }, row.oldestSeconds)
      }
      for (const { name, use, progress } of models) if (use && progress) modelCoverage.set({ model: name, use }, progress.total ? progress.covered / progress.total : 1)
      for (const { model, missing, stale, repaired, seconds } of checks) {
        vectorMissing.set({ model }, missing)
        vectorStale.set({ model }, stale)
        vectorRepaired.set({ model }, repaired)
        vectorCheckAge.set({ model }, seconds)
      }
      metrics.statusUp.set({ handler: 'status' }, 1)
      metrics.auditUnsealed.set(unsealed)
      for (const { kind, age, ok, every, looked, rpo, rto } of recovery) {
        if (age !== null) metrics.recoveryAge.set({ kind }, age)
        if (ok !== null) metrics.recoveryOk.set({ kind }, ok ? 1 : 0)
        if (every !== null) metrics.recoveryEvery.set({ kind }, every)
        if (looked !== null) metrics.recoveryLooked.set({ kind }, looked)
        if (rpo !== null) metrics.drillRpo.set(rpo)
        if (rto !== null) metrics.drillRto.set(rto)
      }
    },
    (error) => {
      // a database that cannot be asked is nothing that is up
      metrics.statusUp.reset()
      log.warn({ err: error }, 'the outbox, the models, their checks, backups, drills and the audit chain could not be read for the metrics')
    },
  )
}

/** The same of the journal, where there is one. */
export async function readJournal({ journal, metrics, log }: Pick<StatusDeps, 'journal' | 'metrics' | 'log'>): Promise<void> {
  await journal?.state().then(
    ({ pending, oldestSeconds, bytes, failed }) => {
      metrics.journalPending.set(pending)
      metrics.journalOldest.set(oldestSeconds)
      metrics.journalBytes.set(bytes)
      metrics.journalFailed.set(failed)
    },
    (error) => log.warn({ err: error }, 'the journal could not be read for the metrics'),
  )
}

/** How long the certificates of what this process speaks TLS to are still good. */
export async function readCertificates({ certificates, metrics }: Pick<StatusDeps, 'certificates' | 'metrics'>): Promise<void> {
  for (const [dependency, seconds] of await certificates(Date.now())) metrics.certificateExpires.set({ dependency }, seconds)
}
