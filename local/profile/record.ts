import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import type { HeapProfiler, Profiler } from 'node:inspector'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '../../shared/client/index.ts'
import { openPostgres } from '../../shared/db/index.ts'
import type { Order, Reply } from './child.ts'
import { drive, type Load, prepare } from './load.ts'
import type { Heap } from './recorder.ts'

/** Where its own database is made; undefined: the embedded engine, in a folder that goes. */
export type Server = { url: string; workerUrl: string | undefined; migrationUrl: string | undefined }
export type Recording = { load: Load; memories: number; cpu: Profiler.Profile; allocations: HeapProfiler.SamplingHeapProfile; heap: Omit<Heap, 'profile'> }
type Files = { cpuFile: string; heapFile: string }

/** Starts the product on an empty database of its own, drives it under V8's profilers, and removes the database. With `files` the profiles are kept there. */
export async function record(seconds: number, server: Server | undefined, files: Files | undefined, signal: AbortSignal): Promise<Recording> {
  await using cleanUp = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'soma-profile-'))
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }))
  const database = server ? await createScratch(server, cleanUp) : {}
  const child = fork(join(import.meta.dirname, 'child.ts'), { env: { ...environment(folder), ...database }, execArgv: [] })
  cleanUp.defer(() => stop(child))
  const { url } = await replyOf(child)
  const client = createClient({ url })
  const stored = await prepare(client)
  const ask = (order: Order) => {
    const answered = replyOf(child)
    child.send(order)
    return answered
  }
  await ask({ start: true })
  const load = await drive(client, seconds, stored, signal)
  const { cpuFile, heapFile } = files ?? { cpuFile: join(folder, 'soma.cpuprofile'), heapFile: join(folder, 'soma.heapprofile') }
  const { heap } = await ask({ stop: { cpuFile, heapFile } })
  const { total_memories: memories } = await client.stats()
  const [cpu, allocations] = await Promise.all([cpuFile, heapFile].map(async (file) => JSON.parse(await readFile(file, 'utf8'))))
  return { load, memories, cpu, allocations, heap: heap as Omit<Heap, 'profile'> }
}

/** Nothing else of the caller's environment: no broker, bucket, Redis or embedder of theirs is spoken to. */
function environment(folder: string): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env
  const product = { LOG_LEVEL: 'silent', HOST: '127.0.0.1', PORT: '0', AUTH_MODE: 'open', EMBEDDER: 'hash', EMBEDDING_DIM: '384', SOMA_DATA_DIR: join(folder, 'data') }
  return { PATH, HOME, TMPDIR, ...product }
}

/** A database beside the configured one, on the same server, by the login of migrations. */
async function createScratch({ url, workerUrl, migrationUrl }: Server, cleanUp: AsyncDisposableStack): Promise<Record<string, string>> {
  const name = `soma_profile_${randomBytes(6).toString('hex')}`
  const owner = openPostgres({ url: migrationUrl ?? url, max: 1, onError: () => {} })
  cleanUp.defer(() => owner.close())
  await owner
    .maintenance((sql) => sql.query(`create database ${name}`))
    .catch((cause) => {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new Error(`A database for the profile could not be made (${reason}): give POSTGRES_MIGRATION_URL a login that may, or leave POSTGRES_URL away.`, { cause })
    })
  cleanUp.defer(async () => void (await owner.maintenance((sql) => sql.query(`drop database if exists ${name} with (force)`))))
  const there = (one: string) => Object.assign(new URL(one), { pathname: `/${name}` }).href
  return {
    POSTGRES_URL: there(url),
    POSTGRES_MIGRATION_URL: there(migrationUrl ?? url),
    ...(workerUrl ? { POSTGRES_WORKER_URL: there(workerUrl) } : {}),
  }
}

function replyOf(child: ChildProcess): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`The product ended (${code}) while it was profiled.`))
    child.once('exit', ended)
    child.once('message', (reply: Reply) => {
      child.off('exit', ended)
      if (reply.error === undefined) resolve(reply)
      else reject(new Error(`The product could not be profiled: ${reply.error}`))
    })
  })
}

/** The product closes itself when it loses us; one that does not within 15 s is ended. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  if (child.connected) child.disconnect()
  const timer = setTimeout(() => child.kill('SIGKILL'), 15_000)
  await ended
  clearTimeout(timer)
}
