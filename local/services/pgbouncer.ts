import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { giveToServer, requireReachable, serverAccount } from './account.ts'
import { installProgram } from './apt.ts'
import { freePort } from './command.ts'

/** The path of PgBouncer. @throws Error with what to do when there is none and it cannot be installed */
export const installPgBouncer = (): Promise<string> => installProgram(['pgbouncer'], 'pgbouncer', 'PGBOUNCER_PATH')

/** Few, so that clients do share them. */
const serverConnections = 8
const readyMs = 10_000

/** A PgBouncer of its own in front of the login of `url`, pooling by transaction; it ends when this process does, however it ends. */
export async function startPgBouncer(program: string, url: string): Promise<{ url: string; stop(): Promise<void> }> {
  await requireReachable(tmpdir(), 'TMPDIR')
  const target = new URL(url)
  const folder = await mkdtemp(join(tmpdir(), 'soma-pgbouncer-'))
  const port = await freePort()
  const users = join(folder, 'users.txt')
  const settings = join(folder, 'pgbouncer.ini')
  await writeFile(users, `"${decodeURIComponent(target.username)}" "${decodeURIComponent(target.password)}"\n`, { mode: 0o600 })
  await writeFile(
    settings,
    `[databases]
* = host=${target.hostname} port=${target.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = transaction
default_pool_size = ${serverConnections}
max_client_conn = 500
server_reset_query =
log_connections = 0
log_disconnections = 0
`,
  )
  for (const path of [folder, users, settings]) await giveToServer(path)
  // as with Postgres, its end is that of its standard input, which the system closes when we die
  const script = `"$0" -q "$1" & server=$!
cat >/dev/null
kill "$server"; wait "$server"; cd /; rm -rf "$2"`
  const guard = spawn('sh', ['-c', script, program, settings, folder], { cwd: folder, detached: true, stdio: ['pipe', 'ignore', 'inherit'], ...serverAccount })
  const stop = async (): Promise<void> => {
    if (guard.exitCode !== null) return
    guard.stdin?.end()
    await once(guard, 'exit')
  }
  await untilReady(port).catch(async (error) => {
    await stop()
    throw error
  })
  return { url: Object.assign(new URL(url), { hostname: '127.0.0.1', port: String(port) }).href, stop }
}

async function untilReady(port: number): Promise<void> {
  for (const end = performance.now() + readyMs; ; await sleep(20)) {
    const socket = createConnection({ host: '127.0.0.1', port })
    const open = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (open) return
    if (performance.now() > end) throw new Error(`PgBouncer does not listen on port ${port} after ${readyMs / 1000} s.`)
  }
}
