import { resolve } from 'node:path'
import { type BackupKey, lockOf, readBackupKey } from '../backup/index.ts'
import { type BlobStore, breakingStore, fileStore } from '../blob/index.ts'
import { ConfigError } from '../config/index.ts'
import { singly } from '../db/index.ts'
import type { HttpDeps } from '../http/index.ts'
import { generationReader } from '../outbox/index.ts'
import { AppError } from '../problem/index.ts'
import type { RecallDeps } from '../recall/index.ts'
import type { Model } from '../transfer/index.ts'
import { readRoles } from '../vector/index.ts'
import type { Runtime } from './runtime.ts'

/** The part of the runtime that every HTTP handler needs. */
export function httpDeps({ config, databases, authenticate, limiter, turns, denials, redis, signingKey, log, metrics }: Runtime): HttpDeps {
  // in the background: the first request that has a limit need not wait for it
  void redis?.connect()
  return { app: databases.app, worker: databases.worker, authenticate, limiter, turns, denials, signingKey, corsOrigins: config.CORS_ORIGINS, log, metrics }
}

/** What a recall needs: the embedders, the second vector engine if there is one, a log line for an arm that failed, the meter of reads, and the generation, read as the requests' own role. */
export function recallDeps({ databases, embedder, nextEmbedder, vectorEngine, log, meter }: Runtime): RecallDeps {
  return {
    embedder,
    next: nextEmbedder,
    engine: vectorEngine,
    onDegraded: (reason, error) => log.warn({ reason, err: error }, 'recall is degraded'),
    onRecalled: meter.count,
    generation: generationReader(databases.app, 'soma_app'),
  }
}

/** The model whose vectors an export writes out: that which recall searches. */
export function exportedModel({ databases, embedder }: Pick<Runtime, 'databases' | 'embedder'>): () => Promise<Model> {
  return async () => {
    const roles = await readRoles(singly(databases.app, { role: 'soma_app', tenantId: null, readOnly: true }))
    return roles ? { model: roles.searched.name, dimension: roles.searched.dimension } : { model: embedder.model, dimension: embedder.dimension }
  }
}

/**
 * Where exports and imports that go on after their answer keep their objects: the bucket, or files where all handlers are one process. It is opened once.
 * @throws AppError unavailable, when it is asked for, where there is neither
 */
export function transferDeps({ config, breakers }: Pick<Runtime, 'config' | 'breakers'>): { transfers: () => Promise<BlobStore> } {
  let opened: Promise<BlobStore> | undefined
  async function open(): Promise<BlobStore> {
    if (config.BACKUP_BUCKET !== undefined) return bucketStore(config.BACKUP_BUCKET, { config, breakers })
    if (config.STAGE === 'local' && config.SOMA_DATA_DIR !== 'memory://') return fileStore(resolve(config.SOMA_DATA_DIR))
    const way = config.STAGE === 'local' ? ', or SOMA_DATA_DIR a directory' : ''
    throw new AppError('unavailable', `Exports and imports that go on after their answer need a place for their objects: let BACKUP_BUCKET name a bucket${way}.`, {
      retryAfterSeconds: 300,
    })
  }
  return {
    transfers() {
      opened ??= open()
      opened.catch(() => {
        opened = undefined
      })
      return opened
    },
  }
}

/** Loaded where there is a bucket only: the SDK takes 100 ms and 20 MB. */
async function bucketStore(bucket: string, { config, breakers }: Pick<Runtime, 'config' | 'breakers'>): Promise<BlobStore> {
  const { s3Store } = await import('../s3/index.ts')
  return breakingStore(s3Store({ bucket, endpoint: config.S3_ENDPOINT, lock: lockOf(config.BACKUP_LOCK_DAYS, config.BACKUP_EVERY_HOURS) }), breakers.of('blob_store'))
}

/** Where archives are kept, a bucket or files, and what encrypts them. `store` makes no directory until something is written. @throws ConfigError where nothing is kept */
export function backupDeps({ config, breakers }: Pick<Runtime, 'config' | 'breakers'>): { store: () => Promise<BlobStore>; prefix: string; key: BackupKey | undefined } {
  return {
    async store() {
      if (config.BACKUP_BUCKET !== undefined) return bucketStore(config.BACKUP_BUCKET, { config, breakers })
      if (config.SOMA_DATA_DIR === 'memory://') throw new ConfigError('SOMA_DATA_DIR got "memory://": backups are files in it, so it takes a directory, or BACKUP_BUCKET a bucket.')
      return fileStore(resolve(config.SOMA_DATA_DIR, 'backups'))
    },
    prefix: config.BACKUP_PREFIX ?? '',
    key: config.BACKUP_KEY === undefined ? undefined : readBackupKey(config.BACKUP_KEY),
  }
}
