import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../local/services/command.ts'
import { startPostgres } from '../local/services/postgres.ts'
import { schemaVersion } from '../shared/db/index.ts'
import { createHttp, type Http } from './http.ts'
import { createScratch } from './product.ts'
import type { Options } from './run.ts'

const root = join(import.meta.dirname, '..')
const migrationsFolder = 'shared/db/migrations'
const requests = { short: 300, whole: 3_000 }

/** What a memory was stored as, by which code. */
type Stored = { id: string; text: string; by: string }
/** `comes` waits until so many are stored. */
type Load = { servers: Server[]; comes(count: number): Promise<void>; stop(): Promise<void> }
type Server = { name: string; http: Http; stop(): Promise<void> }

/**
 * The code before the newest migration, from this repository's history, goes on serving while the schema is migrated under it, beside the new code, and once more alone when the new code is
 * rolled back. Nothing may fail, and each has to find what the other stored.
 */
export async function upgrade({ short }: Options, cleanUp: AsyncDisposableStack): Promise<void> {
  const before = previousCode(cleanUp)
  const postgres = await startPostgres({ major: 18, fsync: false })
  cleanUp.defer(postgres.stop)
  const { adminUrl, loginUrl } = await createScratch(postgres.url, new AsyncDisposableStack())
  const secret = () => randomBytes(24).toString('hex')
  const environment = {
    STAGE: 'dev',
    HOST: '127.0.0.1',
    LOG_LEVEL: 'warn',
    POSTGRES_URL: loginUrl,
    POSTGRES_MIGRATION_URL: adminUrl,
    SIGNING_KEY: secret(),
    SOMA_API_TOKEN: secret(),
  }
  const run = (code: Code, ...command: string[]) =>
    execFileSync(process.execPath, [join(code.root, 'bin/soma.ts'), ...command], {
      cwd: code.root,
      env: { ...own(), ...environment },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  const code: Code = { name: 'new', root }
  run(before, 'migrate')
  const stored: Stored[] = []
  const share = requests[short ? 'short' : 'whole'] / 3
  const old = await serve(before, environment, cleanUp)
  const load = startLoad([old], stored)
  await load.comes(share)
  console.log(`${stored.length} memories stored by ${before.name}, schema ${schemaVersion - 1}: migrating under its load …`)
  run(code, 'migrate')
  const atMigration = stored.length
  await load.comes(atMigration + share)
  const next = await serve(code, environment, cleanUp)
  load.servers.push(next)
  const both = stored.length
  await load.comes(both + share)
  await load.stop()
  await foundByEach([old, next], stored)
  await next.stop()
  await old.stop()
  const back = await serve(before, environment, cleanUp)
  await foundByEach([back], stored)
  await back.stop()
  run(code, 'drain')
  run(code, 'verify')
  const { total_memories: total } = JSON.parse(run(code, 'stats', '--json'))
  if (total !== stored.length) throw new Error(`${stored.length} memories were answered, and ${total} are there.`)
  console.log(`| | memories |\n|---|--:|`)
  for (const [what, count] of [
    [`stored by ${before.name} on its own schema`, atMigration],
    ['… while and after the schema was migrated', both - atMigration],
    ['stored by both beside each other', stored.length - both],
    ['found by the other code, each by its words', stored.length],
    ['failed requests', 0],
  ])
    console.log(`| ${what} | ${count} |`)
}

type Code = { name: string; root: string }

/** The commit before the one that added the newest migration, laid out beside the packages of now. @throws Error where the history is not there */
function previousCode(cleanUp: AsyncDisposableStack): Code {
  const git = (...args: string[]) => execFileSync('git', ['-C', root, ...args], { encoding: 'utf8', maxBuffer: 2 ** 28 }).trim()
  const newest = readdirSync(join(root, migrationsFolder))
    .filter((file) => /^\d{4}-/.test(file))
    .sort()
    .at(-1)
  const added = git('log', '--diff-filter=A', '--format=%H', '-1', '--', `${migrationsFolder}/${newest}`)
  if (!added) throw new Error(`The history of this checkout does not tell which commit added ${newest}: clone it whole.`)
  const folder = mkdtempSync(join(tmpdir(), 'soma-previous-'))
  cleanUp.defer(() => rmSync(folder, { recursive: true, force: true }))
  execFileSync('bash', ['-c', `set -o pipefail; git -C "$1" archive "$2^" | tar -x -C "$3"`, 'bash', root, added, folder])
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  return { name: git('rev-parse', '--short', `${added}^`), root: folder }
}

const own = () => ({ PATH: process.env.PATH, HOME: process.env.HOME })

async function serve({ name, root: cwd }: Code, environment: Record<string, string>, cleanUp: AsyncDisposableStack): Promise<Server> {
  const port = await freePort()
  const child = spawn(process.execPath, [join(cwd, 'bin/soma.ts'), 'start'], { cwd, env: { ...own(), ...environment, PORT: String(port) }, stdio: ['ignore', 'ignore', 'inherit'] })
  const stop = () => ended(child)
  cleanUp.defer(stop)
  const http = createHttp(`http://127.0.0.1:${port}`, environment.SOMA_API_TOKEN)
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`The code ${name} ended with ${child.exitCode}: it does not start on this schema.`)
    return http.get('/readyz').then(
      () => true,
      () => false,
    )
  })
  return { name, http, stop }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGTERM')
  await exit
}

/** Stores and recalls by turns through the servers; whatever fails ends the benchmark. */
function startLoad(servers: Server[], stored: Stored[]): Load {
  let going = true
  const client = async () => {
    for (let turn = 0; going; turn++) {
      const server = servers[turn % servers.length] as Server
      const text = `${randomBytes(6).toString('hex')} is what ${server.name} stored`
      const { id } = await server.http.post<{ id: string }>('/v1/memories', { text, session_id: `s${turn % 7}`, user_id: 'ada' })
      stored.push({ id, text, by: server.name })
      await server.http.post('/v1/recall', { query: text.split(' ')[0], user_id: 'ada' })
    }
  }
  const clients = Promise.all([client(), client()])
  let failed: Error | undefined
  clients.catch((error) => {
    failed = error
  })
  return {
    servers,
    async comes(count) {
      await until(() => {
        if (failed) throw failed
        return stored.length >= count
      })
    },
    async stop() {
      going = false
      await clients
    },
  }
}

async function foundByEach(servers: Server[], stored: Stored[]): Promise<void> {
  for (const { name, http } of servers) {
    for (const { id, text } of stored) {
      const { results } = await http.post<{ results: { id: string }[] }>('/v1/recall', { query: text.split(' ')[0], user_id: 'ada', mode: 'lexical' })
      if (results[0]?.id !== id) throw new Error(`${name} does not find a memory that was answered: ${id}.`)
    }
  }
}

const longestWaitMs = 300_000

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + longestWaitMs; !(await holds()); await sleep(50)) if (Date.now() > end) throw new Error('It did not come so far within five minutes.')
}
