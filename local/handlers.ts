import { buildAnnDeps } from '../functions/build-ann/deps.ts'
import { createBuildAnn } from '../functions/build-ann/handler.ts'
import { drainOutboxDeps } from '../functions/drain-outbox/deps.ts'
import { createDrainOutbox } from '../functions/drain-outbox/handler.ts'
import { guideDeps } from '../functions/guide/deps.ts'
import { createGuide } from '../functions/guide/handler.ts'
import { indexVectorsDeps } from '../functions/index-vectors/deps.ts'
import { createIndexVectors } from '../functions/index-vectors/handler.ts'
import { memoriesDeps } from '../functions/memories/deps.ts'
import { createMemories } from '../functions/memories/handler.ts'
import { migrateDeps } from '../functions/migrate/deps.ts'
import { createMigrate } from '../functions/migrate/handler.ts'
import { projectEventsDeps } from '../functions/project-events/deps.ts'
import { createProjectEvents } from '../functions/project-events/handler.ts'
import { recallHandlerDeps } from '../functions/recall/deps.ts'
import { createRecall } from '../functions/recall/handler.ts'
import { rollupUsageDeps } from '../functions/rollup-usage/deps.ts'
import { createRollupUsage } from '../functions/rollup-usage/handler.ts'
import { statusDeps } from '../functions/status/deps.ts'
import { createStatus } from '../functions/status/handler.ts'
import { storeDeps } from '../functions/store/deps.ts'
import { createStore } from '../functions/store/handler.ts'
import { sweepDeps } from '../functions/sweep/deps.ts'
import { createSweep } from '../functions/sweep/handler.ts'
import { tenantsDeps } from '../functions/tenants/deps.ts'
import { createTenants } from '../functions/tenants/handler.ts'
import type { HttpHandler, JobHandler, RecordHandler } from '../shared/handler/index.ts'
import type { Runtime } from '../shared/host/index.ts'

export type Handlers = { http: Record<string, HttpHandler>; records: Record<string, RecordHandler>; jobs: Record<string, JobHandler> }

/** Every handler of the manifest by name (a test holds the two together), over one runtime. */
export function createHandlers(runtime: Runtime): Handlers {
  return {
    http: {
      store: createStore(storeDeps(runtime)),
      recall: createRecall(recallHandlerDeps(runtime)),
      memories: createMemories(memoriesDeps(runtime)),
      tenants: createTenants(tenantsDeps(runtime)),
      guide: createGuide(guideDeps(runtime)),
      status: createStatus(statusDeps(runtime)),
    },
    records: {
      'index-vectors': createIndexVectors(indexVectorsDeps(runtime)),
      'project-events': createProjectEvents(projectEventsDeps(runtime)),
    },
    jobs: {
      'drain-outbox': createDrainOutbox(drainOutboxDeps(runtime)),
      'rollup-usage': createRollupUsage(rollupUsageDeps(runtime)),
      sweep: createSweep(sweepDeps(runtime)),
      'build-ann': createBuildAnn(buildAnnDeps(runtime)),
      migrate: createMigrate(migrateDeps(runtime)),
    },
  }
}
