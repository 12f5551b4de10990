import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFile, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { giveToServer, requireReachable, serverAccount } from './account.ts'
import { cacheFolder } from './cache.ts'
import { freePort, runCommand } from './command.ts'
import { endGuard } from './guard.ts'
import { installPostgres, type PostgresFolders, type PostgresMajor } from './postgres-install.ts'

export type { PostgresMajor } from './postgres-install.ts'

export type PostgresOptions = {
  major: PostgresMajor
  /** False (tests): nothing is flushed, a crash of the machine may lose it all. True (benchmarks): durable as in production, with more memory; it notes when each transaction was committed. */
  fsync: boolean
}

export type RunningPostgres = {
  /** The superuser's URL, on the empty database `somamemory`. */
  url: string
  /** The folder of psql, pg_dump, pg_restore, pg_basebackup … of the same version. */
  clients: string
  /** Ends the server, in order or as a crash does, and starts it on the same port. */
  restart(mode: 'fast' | 'immediate'): Promise<void>
  /** The two halves of a restart: the data and the port stay between them. */
  down(mode: 'fast' | 'immediate'): Promise<void>
  up(): Promise<void>
  /** Stops the server and removes its data. It also happens by itself when this process ends, however it ends. */
  stop(): Promise<void>
}

const database = 'somamemory'

/** Starts a PostgreSQL of its own: new data directory, free port of 127.0.0.1, random password. */
export async function startPostgres({ major, fsync }: PostgresOptions): Promise<RunningPostgres> {
  await requireReachable(cacheFolder, 'SOMA_SERVICES_DIR')
  await requireReachable(tmpdir(), 'TMPDIR')
  const folders = await installPostgres(major)
  const home = await mkdtemp(join(tmpdir(), `soma-postgres-${major}-`))
  await giveToServer(home)
  const port = await freePort()
  const guard = guardServer(folders, home)
  const stop = () => endGuard(guard)
  const down = async (mode: 'fast' | 'immediate'): Promise<void> => {
    await runCommand(join(folders.server, 'bin/pg_ctl'), ['stop', `--mode=${mode}`, '--wait', `--pgdata=${home}/data`], asServer(home))
  }
  const up = () => startServer(folders, home, port)
  const restart = async (mode: 'fast' | 'immediate'): Promise<void> => {
    await down(mode)
    await up()
  }
  try {
    const password = randomBytes(16).toString('hex')
    await createCluster(folders, home, password)
    await appendFile(join(home, 'data/postgresql.conf'), serverSettings(fsync))
    await startServer(folders, home, port)
    const env = { ...process.env, PGPASSWORD: password }
    await runCommand(join(folders.clients, 'createdb'), ['--host=127.0.0.1', `--port=${port}`, '--username=postgres', database], { env })
    return { url: `postgres://postgres:${password}@127.0.0.1:${port}/${database}`, clients: folders.clients, restart, down, up, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The server's programs start in `home`, since the caller's own folder may be closed to the server's account. */
const asServer = (home: string) => ({ cwd: home, env: { ...process.env, HOME: home }, ...serverAccount })

async function createCluster({ server }: PostgresFolders, home: string, password: string): Promise<void> {
  const passwordFile = join(home, 'password')
  await writeFile(passwordFile, password, { mode: 0o600 })
  await giveToServer(passwordFile)
  const identity = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`]
  await runCommand(join(server, 'bin/initdb'), [`--pgdata=${home}/data`, ...identity, '--encoding=UTF8', '--locale=C.UTF-8', '--no-sync'], asServer(home))
}

/** What PostgreSQL's manual advises, a quarter of the memory, up to 2 GB. */
const advisedBuffers = () => `${Math.min(2048, Math.floor(Math.min(totalmem(), process.constrainedMemory() || totalmem()) / 4 / 2 ** 20))}MB`

function serverSettings(fsync: boolean): string {
  const durable = fsync ? 'on' : 'off'
  return `
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 100
fsync = ${durable}
synchronous_commit = ${durable}
full_page_writes = ${durable}
track_commit_timestamp = ${durable}
shared_buffers = ${fsync ? advisedBuffers() : '256MB'}
maintenance_work_mem = ${fsync ? '512MB' : '128MB'}
shared_preload_libraries = 'pg_stat_statements, auto_explain'
`
}

async function startServer({ server }: PostgresFolders, home: string, port: number): Promise<void> {
  const log = join(home, 'server.log')
  try {
    await runCommand(join(server, 'bin/pg_ctl'), ['start', '--wait', '--timeout=60', `--pgdata=${home}/data`, `--log=${log}`, `--options=-p ${port}`], asServer(home))
  } catch (cause) {
    throw new Error(`PostgreSQL did not start. Its log says:\n${await readFile(log, 'utf8').catch(() => '(no log)')}`, { cause })
  }
}

/**
 * A shell in a session of its own that waits for the end of its standard input, which is ours to close; the system closes it when we die, even by kill -9.
 * Then it stops the server and removes its data. It tries for three seconds: we may have died in the middle of initdb or of the server's start.
 */
function guardServer({ server }: PostgresFolders, home: string): ChildProcess {
  const script = `cat >/dev/null
for try in 1 2 3; do "$0/bin/pg_ctl" stop --mode=fast --wait --pgdata="$1/data" && break; sleep 1; done
cd /; rm -rf "$1"`
  return spawn('sh', ['-c', script, server, home], { ...asServer(home), detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
}
