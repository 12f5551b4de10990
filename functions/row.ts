/** The shape of a row of the manifest. */

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
export type Route = { method: Method; path: string }
export type Host = 'lambda' | 'task' | 'local'

type Row = {
  /** Also the folder under functions/. */
  name: string
  summary: string
  /** Where it may run. */
  hosts: readonly Host[]
  /** Where a stack puts it although it may run as a function: what it does can take longer than one may run. */
  prefers?: 'task'
  /** The database login it needs. */
  database: 'app' | 'worker' | 'owner' | 'none'
  memoryMb: number
  timeoutSeconds: number
  /** The secrets it may read, by the configuration variable they fill. */
  secrets: readonly string[]
  /** More of them where the stack makes the database: to make its logins, as nobody else does. */
  newDatabaseSecrets?: readonly string[]
  /** What it may do with the archives in the bucket. */
  archives?: 'write' | 'read'
  /** What it, or whoever has a URL that it signed, may do with the objects of exports and imports in the bucket. */
  transfers?: readonly ('get' | 'put' | 'remove')[]
  /** Whether it asks the embedder, so that it needs a way and the right to. */
  embeds?: true
  /** Other handlers it may invoke. */
  invokes?: readonly string[]
  /** The topics it publishes to where there is a broker; then it invokes no record handler. */
  publishes?: readonly string[]
}
/** `maxBodyBytes: null` is a body that is streamed, of any length. */
export type HttpRow = Row & { kind: 'http'; routes: readonly Route[]; maxBodyBytes: number | null }
export type RecordsRow = Row & { kind: 'records'; topic: string; batchSize: number }
/** `everySeconds: null` means it runs only when somebody asks. */
export type JobRow = Row & {
  kind: 'job'
  everySeconds: number | null
  /**
   * Where a stage rests: a one-shot schedule runs it again when it left something behind, and a minute or two after a wake-up of one of the jobs in `after`, once in
   * `everySeconds` however many wake-ups there are. What is due later and not urgent is done together, at multiples of `togetherSeconds`.
   */
  swept?: { after: readonly string[]; everySeconds: number; togetherSeconds?: number }
  /** True of what arms these schedules: it is outside of the VPC, and calls AWS alone. */
  arms?: true
}
export type ManifestRow = HttpRow | RecordsRow | JobRow

export const anywhere = ['lambda', 'task', 'local'] as const
/** Of the embedders, and of a second vector engine in a stage that has one. */
export const vectorSecrets = ['EMBEDDING_API_KEY', 'EMBEDDING_NEXT_API_KEY', 'MILVUS_TOKEN'] as const
