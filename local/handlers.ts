import { backupHandlerDeps } from '../functions/backup/deps.ts'
import { createBackup } from '../functions/backup/handler.ts'
import { buildAnnDeps } from '../functions/build-ann/deps.ts'
import { createBuildAnn } from '../functions/build-ann/handler.ts'
import { drainOutboxDeps } from '../functions/drain-outbox/deps.ts'
import { createDrainOutbox } from '../functions/drain-outbox/handler.ts'
import { drillDeps } from '../functions/drill/deps.ts'
import { createDrill } from '../functions/drill/handler.ts'
import { expireDeps } from '../functions/expire/deps.ts'
import { createExpire } from '../functions/expire/handler.ts'
import { exportDeps } from '../functions/export/deps.ts'
import { createExport } from '../functions/export/handler.ts'
import { guideDeps } from '../functions/guide/deps.ts'
import { createGuide } from '../functions/guide/handler.ts'
import { importDeps } from '../functions/import/deps.ts'
import { createImport } from '../functions/import/handler.ts'
import { indexVectorsDeps } from '../functions/index-vectors/deps.ts'
import { createIndexVectors } from '../functions/index-vectors/handler.ts'
import { keepBackupsDeps } from '../functions/keep-backups/deps.ts'
import { createKeepBackups } from '../functions/keep-backups/handler.ts'
import { linksDeps } from '../functions/links/deps.ts'
import { createLinks } from '../functions/links/handler.ts'
import { recordsRow } from '../functions/manifest.ts'
import { memoriesDeps } from '../functions/memories/deps.ts'
import { createMemories } from '../functions/memories/handler.ts'
import { migrateDeps } from '../functions/migrate/deps.ts'
import { createMigrate } from '../functions/migrate/handler.ts'
import { operationsDeps } from '../functions/operations/deps.ts'
import { createOperations } from '../functions/operations/handler.ts'
import { outboxDeps } from '../functions/outbox/deps.ts'
import { createOutbox } from '../functions/outbox/handler.ts'
import { projectEventsDeps } from '../functions/project-events/deps.ts'
import { createProjectEvents } from '../functions/project-events/handler.ts'
import { recallHandlerDeps } from '../functions/recall/deps.ts'
import { createRecall } from '../functions/recall/handler.ts'
import { recountWordsDeps } from '../functions/recount-words/deps.ts'
import { createRecountWords } from '../functions/recount-words/handler.ts'
import { recoveryDeps } from '../functions/recovery/deps.ts'
import { createRecovery } from '../functions/recovery/handler.ts'
import { reembedDeps } from '../functions/reembed/deps.ts'
import { createReembed } from '../functions/reembed/handler.ts'
import { restoreHandlerDeps } from '../functions/restore/deps.ts'
import { createRestore } from '../functions/restore/handler.ts'
import { rollupUsageDeps } from '../functions/rollup-usage/deps.ts'
import { createRollupUsage } from '../functions/rollup-usage/handler.ts'
import { runOperationsDeps } from '../functions/run-operations/deps.ts'
import { createRunOperations } from '../functions/run-operations/handler.ts'
import { sealAuditDeps } from '../functions/seal-audit/deps.ts'
import { createSealAudit } from '../functions/seal-audit/handler.ts'
import { statusDeps } from '../functions/status/deps.ts'
import { createStatus } from '../functions/status/handler.ts'
import { storeDeps } from '../functions/store/deps.ts'
import { createStore } from '../functions/store/handler.ts'
import { sweepDeps } from '../functions/sweep/deps.ts'
import { createSweep } from '../functions/sweep/handler.ts'
import { tenantsDeps } from '../functions/tenants/deps.ts'
import { createTenants } from '../functions/tenants/handler.ts'
import { transfersDeps } from '../functions/transfers/deps.ts'
import { createTransfers } from '../functions/transfers/handler.ts'
import { usageDeps } from '../functions/usage/deps.ts'
import { createUsage } from '../functions/usage/handler.ts'
import { verifyIndexDeps } from '../functions/verify-index/deps.ts'
import { createVerifyIndex } from '../functions/verify-index/handler.ts'
import type { HttpHandler, JobHandler, RecordHandler } from '../shared/handler/index.ts'
import { observeJob, observeRecords, type Runtime } from '../shared/host/index.ts'

export type Handlers = { http: Record<string, HttpHandler>; records: Record<string, RecordHandler>; jobs: Record<string, JobHandler> }

/** Every handler of the manifest by name (a test holds the two together), over one runtime. */
export function createHandlers(runtime: Runtime): Handlers {
  return observed(runtime, {
    http: {
      store: createStore(storeDeps(runtime)),
      recall: createRecall(recallHandlerDeps(runtime)),
      memories: createMemories(memoriesDeps(runtime)),
      operations: createOperations(operationsDeps(runtime)),
      links: createLinks(linksDeps(runtime)),
      tenants: createTenants(tenantsDeps(runtime)),
      outbox: createOutbox(outboxDeps(runtime)),
      recovery: createRecovery(recoveryDeps(runtime)),
      usage: createUsage(usageDeps(runtime)),
      guide: createGuide(guideDeps(runtime)),
      export: createExport(exportDeps(runtime)),
      import: createImport(importDeps(runtime)),
      transfers: createTransfers(transfersDeps(runtime)),
      status: createStatus(statusDeps(runtime)),
    },
    records: {
      'index-vectors': createIndexVectors(indexVectorsDeps(runtime)),
      'project-events': createProjectEvents(projectEventsDeps(runtime)),
    },
    jobs: {
      'drain-outbox': createDrainOutbox(drainOutboxDeps(runtime)),
      'rollup-usage': createRollupUsage(rollupUsageDeps(runtime)),
      'seal-audit': createSealAudit(sealAuditDeps(runtime)),
      sweep: createSweep(sweepDeps(runtime)),
      expire: createExpire(expireDeps(runtime)),
      'run-operations': createRunOperations(runOperationsDeps(runtime)),
      reembed: createReembed(reembedDeps(runtime)),
      'recount-words': createRecountWords(recountWordsDeps(runtime)),
      'build-ann': createBuildAnn(buildAnnDeps(runtime)),
      'verify-index': createVerifyIndex(verifyIndexDeps(runtime)),
      backup: createBackup(backupHandlerDeps(runtime)),
      'keep-backups': createKeepBackups(keepBackupsDeps(runtime)),
      drill: createDrill(drillDeps(runtime)),
      restore: createRestore(restoreHandlerDeps(runtime)),
      migrate: createMigrate(migrateDeps(runtime)),
    },
  })
}

/** With the log lines and spans that they have on other hosts; a job that found nothing to do, which is most of them here, is quiet. */
function observed({ log, kafka }: Runtime, { http, records, jobs }: Handlers): Handlers {
  const transport = kafka ? 'kafka' : 'in-process'
  return {
    http,
    records: Object.fromEntries(Object.entries(records).map(([name, handler]) => [name, observeRecords({ name, topic: recordsRow(name).topic, handler, transport, log })])),
    jobs: Object.fromEntries(Object.entries(jobs).map(([name, job]) => [name, observeJob(name, job, log, { quietly: true })])),
  }
}
