import type { HttpDeps } from '../http/index.ts'
import type { RecallDeps } from '../recall/index.ts'
import type { Runtime } from './runtime.ts'

/** The part of the runtime that every HTTP handler needs. */
export function httpDeps({ config, databases, authenticate, signingKey, log, metrics }: Runtime): HttpDeps {
  return { app: databases.app, worker: databases.worker, authenticate, signingKey, corsOrigins: config.CORS_ORIGINS, log, metrics }
}

/** What a recall needs: the embedder, and a log line for an arm that failed. */
export function recallDeps({ embedder, log }: Runtime): RecallDeps {
  return { embedder, onDegraded: (reason, error) => log.warn({ reason, err: error }, 'recall is degraded') }
}
