import { anywhere, type JobRow, type RecordsRow, vectorSecrets } from './row.ts'

/** The broker's is needed only where a stage's Kafka asks for a password. */
const brokerSecrets = ['POSTGRES_WORKER_URL', 'KAFKA_SASL_PASSWORD'] as const
const worker = { hosts: anywhere, database: 'worker', memoryMb: 1024, timeoutSeconds: 300, secrets: ['POSTGRES_WORKER_URL'] } as const
/** It restores whole databases: where they are large, for longer than a function may run. */
const longRunning = { prefers: 'task', timeoutSeconds: 21_600 } as const

/** What a store leaves to jobs: what it published, in case nobody did; and what is not urgent, at the same time or five minutes after the last, as each time on its own would wake the database. */
const atOnce = { swept: { after: ['drain-outbox'], everySeconds: 60 } } as const
const withIt = { swept: { after: ['drain-outbox'], everySeconds: 300 } } as const
/** It goes on where it stopped for want of time. */
const goesOn = { swept: { after: [], everySeconds: 60 } } as const

/** The rows of the manifest that no request calls: what takes records, and what runs by schedule or when somebody asks. */
export const workers: readonly (JobRow | RecordsRow)[] = [
  {
    ...worker,
    kind: 'job',
    name: 'drain-outbox',
    summary: 'publishes committed changes; woken by a store, swept by schedule',
    everySeconds: 60,
    secrets: [...brokerSecrets, 'MILVUS_TOKEN'],
    invokes: ['index-vectors', 'project-events'],
    publishes: ['memory.events'],
    embeds: true,
    ...atOnce,
  },
  {
    ...worker,
    kind: 'records',
    name: 'index-vectors',
    summary: 'embeds new versions and upserts their vectors under a version guard',
    topic: 'memory.events',
    batchSize: 100,
    secrets: [...brokerSecrets, ...vectorSecrets],
    embeds: true,
  },
  {
    ...worker,
    kind: 'records',
    name: 'project-events',
    summary: 'fills the memory_events projection, each version once',
    topic: 'memory.events',
    batchSize: 500,
    secrets: brokerSecrets,
  },
  { ...worker, kind: 'job', name: 'rollup-usage', summary: 'folds usage rows into exact counters, counts the common words of large scopes', everySeconds: 60, ...withIt },
  {
    ...worker,
    kind: 'job',
    name: 'seal-audit',
    summary: 'chains committed audit rows, signs where each chain ends, publishes what is sealed',
    everySeconds: 60,
    secrets: [...brokerSecrets, 'SIGNING_KEY'],
    publishes: ['soma.audit'],
    ...withIt,
  },
  {
    ...worker,
    kind: 'job',
    name: 'expire',
    summary: 'moves memories whose time is over to history',
    everySeconds: 60,
    // no read waits for it, and a memory that expires each minute must not keep a database awake
    swept: { ...withIt.swept, togetherSeconds: 3600 },
  },
  {
    ...worker,
    kind: 'job',
    name: 'run-operations',
    summary: 'takes operations to their end: forgetting many memories, exports and imports',
    everySeconds: 60,
    invokes: ['drain-outbox'],
    transfers: ['get', 'put'],
    swept: { after: ['run-operations'], everySeconds: 60 },
  },
  {
    ...worker,
    kind: 'job',
    name: 'sweep',
    summary: 'removes what has expired: idempotency records, sent outbox rows, batches of reads, ended operations, objects of exports and imports',
    everySeconds: 300,
    transfers: ['remove'],
    ...withIt,
  },
  {
    ...worker,
    kind: 'job',
    name: 'reembed',
    summary: 'makes the vectors of an embedding model that is being introduced, removes those of a dropped one',
    everySeconds: 60,
    secrets: ['POSTGRES_WORKER_URL', ...vectorSecrets],
    embeds: true,
    ...goesOn,
  },
  { ...worker, kind: 'job', name: 'recount-words', summary: 'counts the words of memories again that an older version has cut by other rules', everySeconds: 600, ...goesOn },
  {
    ...worker,
    kind: 'job',
    name: 'build-ann',
    summary: 'builds the HNSW graphs of scopes that have grown large, or the collections of a second vector engine',
    database: 'owner',
    everySeconds: 900,
    timeoutSeconds: 900,
    secrets: ['POSTGRES_MIGRATION_URL', 'POSTGRES_WORKER_URL', 'MILVUS_TOKEN'],
  },
  {
    ...worker,
    kind: 'job',
    name: 'verify-index',
    summary: "holds all vectors against the memories, and a second engine's against those, and mends what differs",
    everySeconds: 86_400,
    timeoutSeconds: 900,
    secrets: ['POSTGRES_WORKER_URL', ...vectorSecrets],
    embeds: true,
  },
  {
    ...worker,
    kind: 'job',
    name: 'backup',
    summary: 'writes everything, as of one instant, into an archive',
    everySeconds: null,
    timeoutSeconds: 900,
    secrets: ['POSTGRES_WORKER_URL', 'BACKUP_KEY'],
    archives: 'write',
  },
  {
    ...worker,
    kind: 'job',
    name: 'keep-backups',
    summary: 'writes the backup or the increment that is due or asked for, removes archives that the policy does not keep',
    everySeconds: 900,
    timeoutSeconds: 900,
    secrets: ['POSTGRES_WORKER_URL', 'BACKUP_KEY'],
    archives: 'write',
  },
  {
    ...worker,
    kind: 'job',
    name: 'drill',
    summary: 'restores the newest backup beside the live data, compares everything, recall too, and removes it, when that is due or asked for',
    ...longRunning,
    database: 'owner',
    everySeconds: 900,
    secrets: ['POSTGRES_MIGRATION_URL', 'POSTGRES_WORKER_URL', 'BACKUP_KEY', 'SIGNING_KEY'],
    archives: 'read',
  },
  {
    ...worker,
    kind: 'job',
    name: 'restore',
    summary: 'fills an empty database with the archive that RESTORE_FROM names, or adds one tenant of it to a database that is at work',
    database: 'owner',
    everySeconds: null,
    timeoutSeconds: 900,
    secrets: ['POSTGRES_MIGRATION_URL', 'BACKUP_KEY'],
    archives: 'read',
  },
  {
    ...worker,
    kind: 'job',
    name: 'migrate',
    summary: 'brings the schema to the version of this code',
    database: 'owner',
    everySeconds: null,
    secrets: ['POSTGRES_MIGRATION_URL'],
    // an index of a large table takes its time
    timeoutSeconds: 840,
    newDatabaseSecrets: ['POSTGRES_ADMIN_URL', 'POSTGRES_URL', 'POSTGRES_WORKER_URL'],
  },
]

/** Where a stage rests (lib/size.ts) all jobs tick together and this seldom: each time the database wakes up. */
export const restTickHours = 6

/** What only a stage that rests has beside the rows of the manifest: handlers tell it what there is to come back for. It has no database, no secret and no place in the VPC. */
export const armer: JobRow = {
  kind: 'job',
  name: 'arm-sweeps',
  summary: 'where a stage rests, has a job run again in time: after a store, or when it left something behind',
  hosts: ['lambda'],
  database: 'none',
  everySeconds: null,
  memoryMb: 256,
  timeoutSeconds: 30,
  secrets: [],
  arms: true,
}
