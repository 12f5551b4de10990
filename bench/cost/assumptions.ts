/** What docs/cost.md is computed from, besides prices and templates: what was measured here, what is assumed, and how much is used. */

/** `text` stands in `file`: a test holds it there. */
export type Measured = { value: number; what: string; file: 'README.md' | 'docs/recall.md'; text: string }
const measure = (value: number, what: string, file: Measured['file'], text: string): Measured => ({ value, what, file, text })

export const measured = {
  storeMs: measure(5.07, 'a store, p95, ms', 'README.md', '| one memory, one after the other | 2.25 ms | 5.07 ms |'),
  recallMs: measure(19.6, "a recall of a user's 1,000 of a million, hybrid, p95, ms", 'docs/recall.md', "| hybrid, a user's 1,000 of 1,000,000 | 11.8 ms | 19.6 ms |"),
  storesPerSecond: measure(480, 'stored, published, projected and indexed a second by 2 cores, everything on them', 'README.md', '| 483 / 481 / 481 / 480 |'),
  recallsPerSecond: measure(154, 'recalls of the same a second by 2 cores, everything on them', 'docs/recall.md', '| 31.0 ms | 83 / 154 |'),
  memoryBytes: measure(7704, 'bytes a memory in Postgres, every table, index and graph', 'README.md', '| 7,704, not met |'),
  postingsBytes: measure(3284, 'of these its words, which a backup does not read', 'README.md', 'postings 3,284'),
  backupBytes: measure(657, 'bytes a memory in a backup', 'README.md', '| bytes a memory | 657 |'),
  backupSeconds: measure(39.4, 'a backup of a million, seconds on 2 cores', 'README.md', '| 39.4 s | 136.9 s |'),
  drillSeconds: measure(229, 'a drill of a million, seconds on 2 cores (ten times that of 100,000)', 'README.md', '| 22.9 s | | |'),
} as const satisfies Record<string, Measured>

export const cores = 2
export const hoursAMonth = 730
export const daysAMonth = hoursAMonth / 24

type Assumed = { value: number; what: string }
export const assumed = {
  vcpuPerAcu: { value: 0.25, what: 'vCPU of an ACU. AWS says 2 GiB and the CPU that goes with it' },
  busyShare: { value: 0.5, what: 'of the CPU that is paid for works: half of each ACU is air for peaks' },
  leastAwakeAcu: { value: 1, what: 'ACU of an awake instance at least, also where the stage allows less: Performance Insights and idle connections hold it up' },
  hotShare: { value: 0.05, what: "of all that is stored has to be in the database's memory" },
  cacheGbPerAcu: { value: 1.5, what: "GB of an ACU's 2 GiB that are cache" },
  wakeMinutes: { value: 10, what: 'minutes that a tick keeps a pausing database awake: its work, and the five until it pauses' },
  storeIo: { value: 60, what: 'I/O requests of Aurora a store, with its indexing. Not measured' },
  recallIo: { value: 100, what: 'I/O requests of Aurora a recall: pages that are not in memory. Not measured' },
  tickIo: { value: 10, what: 'I/O requests of Aurora a scheduled tick. Not measured' },
  slower: { value: 2, what: 'times the measured p95 is what a function is billed a request, on the average: less CPU than here, and a network to the database' },
  drainMs: { value: 100, what: 'ms a drain that a store wakes: it waits 50 for more to come, and each store has one of its own here' },
  recordsMs: { value: 50, what: 'ms a call of a records handler, with one record a call' },
  tickMs: { value: 100, what: 'ms a scheduled tick of a function that finds nothing to do' },
  tellers: { value: 3, what: 'functions that tell what arms sweeps of stores, each once in a minute that has one' },
  tickTaskSeconds: { value: 60, what: 'seconds a scheduled tick of a task: Fargate bills a minute at least' },
  coldShare: { value: 0.01, what: 'of the calls of a function start it anew' },
  coldSeconds: { value: 1.5, what: 'seconds of such a start, which are billed' },
  coldSecrets: { value: 4, what: 'secrets read, and decrypted, at a start' },
  taskBusyShare: { value: 0.6, what: "of a task's CPU works, as the scaling aims" },
  logBytes: { value: 1300, what: 'bytes of log a call of a handler: its line, and what its metrics are told in' },
  lambdaLogBytes: { value: 500, what: 'bytes of log more a call of a function: START, END, REPORT' },
  accessLogBytes: { value: 350, what: 'bytes of access log a request to the HTTP API' },
  logCompression: { value: 0.15, what: 'of what was taken in is what kept logs are billed as' },
  metricsUnwatched: { value: 5, what: 'metrics that handlers tell and no alarm looks at' },
  insightsCluster: { value: 13, what: 'metrics of Container Insights a cluster. Not verified' },
  insightsService: { value: 15, what: '… a service. Not verified' },
  insightsFamily: { value: 10, what: '… a family of tasks. Not verified' },
  brokerMetrics: { value: 50, what: "paid metrics a broker above MSK's default level of monitoring. Not verified" },
  brokerTopicMetrics: { value: 8, what: '… a broker and topic. Not verified' },
  ownTopicsOfMsk: { value: 2, what: 'topics that MSK makes by itself' },
  keyTurns: { value: 2, what: 'times the key has turned, so that it is paid three times' },
  archives: { value: 58, what: 'backups in the bucket: 7 days, 5 weeks, 12 months, and what was removed less than 30 days ago' },
  drillsAMonth: { value: 4.35, what: 'drills a month' },
  verifiedBytes: { value: 1668, what: 'bytes a memory that verify-index reads each day: memories and vectors' },
} as const satisfies Record<string, Assumed>

/** Where work is done, as `-c` keys say it. */
export type Deployment = { stage: 'dev' | 'staging' | 'prod'; compute: 'lambda' | 'container' | 'mixed'; size?: 'small' }
/** So much a month; `awakeHours` of the database, where it pauses. */
export type Profile = { name: string; on: Deployment; memories: number; stores: number; recalls: number; awakeHours: number }

const small: Deployment = { stage: 'dev', compute: 'lambda', size: 'small' }
const million = 1_000_000
const medium = { memories: million, stores: million, recalls: 3 * million, awakeHours: hoursAMonth }
export const profiles: readonly Profile[] = [
  { name: 'small', on: small, memories: 100_000, stores: 100_000, recalls: 300_000, awakeHours: hoursAMonth },
  { name: 'small, asked in 200 hours of the month', on: small, memories: 100_000, stores: 100_000, recalls: 300_000, awakeHours: 200 },
  { name: 'medium', on: { stage: 'staging', compute: 'lambda' }, ...medium },
  { name: 'medium, without what staging has beside', on: small, ...medium },
  { name: 'large', on: { stage: 'prod', compute: 'mixed' }, memories: 100 * million, stores: 30 * million, recalls: 100 * million, awakeHours: hoursAMonth },
]

/** The stages whose idle cost is told. */
export const deployments: readonly Deployment[] = [
  small,
  { stage: 'dev', compute: 'lambda' },
  { stage: 'staging', compute: 'lambda' },
  { stage: 'prod', compute: 'lambda' },
  { stage: 'prod', compute: 'mixed' },
  { stage: 'prod', compute: 'container' },
]
export const nameOf = ({ stage, compute, size }: Deployment): string => (size ? `${stage}, size=${size}` : `${stage}, ${compute}`)
