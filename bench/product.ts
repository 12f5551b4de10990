import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import type { Profiler } from 'node:inspector'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { stop } from '../local/profile/record.ts'
import { startPostgres } from '../local/services/postgres.ts'
import { createHttp, type Http } from './http.ts'
import type { Answer, Hello, Question } from './server.ts'

export type Product = {
  embedded: boolean
  url: string
  http: Http
  /** Where a bare table can stand beside the product's; undefined on the embedded engine. */
  adminUrl: string | undefined
  /** A folder that goes when the benchmark ends. */
  folder: string
  /** One statement as the owner, in the server. */
  sql(text: string): Promise<Record<string, unknown>[]>
  /** Resident memory of the server, in bytes. */
  rss(): Promise<number>
  /** Runs a job of the manifest to its end, in the server. */
  job(name: string): Promise<void>
  /** The CPU profile of the server while `work` went on; once. */
  profile(work: () => Promise<unknown>): Promise<Profiler.Profile>
}

/** A server with OpenAI's embeddings API, instead of the hash embedder. */
export type Embedder = { url: string; model: string; dimension: string; context: string | undefined }
export function embedBy({ url, model, dimension, context }: Embedder): Record<string, string> {
  // a model on a busy machine may take its time
  const patience = { EMBEDDING_TIMEOUT_MS: '120000' }
  return { EMBEDDER: 'http', EMBEDDING_URL: url, EMBEDDING_MODEL: model, EMBEDDING_DIM: dimension, ...(context ? { EMBEDDING_CONTEXT: context } : {}), ...patience }
}

/** Starts the product, empty, in a process of its own, with `more` of its environment; `cleanUp` stops everything and removes its data. */
export async function openProduct(embedded: boolean, cleanUp: AsyncDisposableStack, more: Record<string, string> = {}): Promise<Product> {
  const folder = await mkdtemp(join(tmpdir(), 'soma-bench-'))
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }))
  const database = embedded ? undefined : await createScratch(await serverUrl(cleanUp), cleanUp)
  const { PATH, HOME, TMPDIR } = process.env
  const child = fork(join(import.meta.dirname, 'server.ts'), {
    env: {
      PATH,
      HOME,
      TMPDIR,
      LOG_LEVEL: 'silent',
      HOST: '127.0.0.1',
      PORT: '0',
      AUTH_MODE: 'open',
      EMBEDDER: 'hash',
      EMBEDDING_DIM: '384',
      SOMA_DATA_DIR: join(folder, 'data'),
      STATEMENT_TIMEOUT_MS: '120000',
      ...(database ? { POSTGRES_URL: database.loginUrl, POSTGRES_MIGRATION_URL: database.adminUrl } : {}),
      ...more,
    },
  })
  cleanUp.defer(() => stop(child))
  const { url } = await firstMessage(child)
  const http = createHttp(url)
  cleanUp.defer(() => http.close())
  const ask = questions(child)
  return {
    embedded,
    url,
    http,
    adminUrl: database?.adminUrl,
    folder,
    sql: async (text) => (await ask({ sql: text })).rows ?? [],
    rss: async () => (await ask({})).rss ?? Number.NaN,
    job: async (name) => void (await ask({ job: name })),
    async profile(work) {
      await ask({ profile: 'start' })
      await work()
      return (await ask({ profile: 'stop' })).profile as Profiler.Profile
    },
  }
}

async function serverUrl(cleanUp: AsyncDisposableStack): Promise<string> {
  if (process.env.POSTGRES_URL) return process.env.POSTGRES_URL
  const { url, stop } = await startPostgres({ major: 18, fsync: true })
  cleanUp.defer(stop)
  return url
}

/** A database of this run's own, and a login that is a member of the two roles and nothing else: the server is bound by row-level security. */
export async function createScratch(url: string, cleanUp: AsyncDisposableStack): Promise<{ adminUrl: string; loginUrl: string }> {
  const name = `soma_bench_${randomBytes(6).toString('hex')}`
  const login = `${name}_login`
  const password = randomBytes(16).toString('hex')
  await asAdmin(url, [
    `create database ${name}`,
    ...['soma_app', 'soma_worker', 'soma_owner'].map(
      (role) => `do $$ begin create role ${role} nologin noinherit; exception when duplicate_object or unique_violation then null; end $$`,
    ),
    `create role ${login} login noinherit password '${password}' in role soma_app, soma_worker`,
  ])
  cleanUp.defer(() => asAdmin(url, [`drop database ${name} with (force)`, `drop role ${login}`]))
  const adminUrl = Object.assign(new URL(url), { pathname: `/${name}` }).href
  return { adminUrl, loginUrl: Object.assign(new URL(adminUrl), { username: login, password }).href }
}

async function asAdmin(url: string, statements: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}

function firstMessage(child: ChildProcess): Promise<Hello> {
  return new Promise((resolve, reject) => {
    child.once('message', (hello) => resolve(hello as Hello))
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`The server ended (${code}) before it listened.`)))
  })
}

function questions(child: ChildProcess): (question: Omit<Question, 'id'>) => Promise<Answer> {
  const waiting = new Map<number, PromiseWithResolvers<Answer>>()
  let last = 0
  child.on('message', (answer: Answer) => {
    const asked = waiting.get(answer.id)
    waiting.delete(answer.id)
    if (answer.error === undefined) asked?.resolve(answer)
    else asked?.reject(new Error(`The server answered: ${answer.error}`))
  })
  child.on('exit', () => {
    for (const asked of waiting.values()) asked.reject(new Error('The server ended.'))
  })
  return (question) => {
    const asked = Promise.withResolvers<Answer>()
    waiting.set(++last, asked)
    child.send({ id: last, ...question } satisfies Question)
    return asked.promise
  }
}
