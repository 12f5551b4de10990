import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { installProgram } from './apt.ts'
import { freePort, runCommand } from './command.ts'
import { startGuarded } from './guard.ts'

export type RunningRedis = {
  /** With its password in it. */
  url: string
  /** Runs a command on it, as `redis-cli` does, and answers what it printed. */
  command(...words: string[]): Promise<string>
  /** Ends it at once, by kill -9; `restart` starts it again on its port, empty. */
  kill(): Promise<void>
  restart(): Promise<void>
  /** Stops it in the middle of whatever it does, and lets it go on: it takes connections meanwhile, and answers nothing. */
  freeze(): void
  thaw(): void
  /** Stops it and removes its data. It also happens by itself when this process ends, however it ends. */
  stop(): Promise<void>
}

const startMs = 15_000

export type RedisOptions = {
  /** Beside its port: settings of redis.conf, one a line. */
  settings?: string
}

/** Starts a redis-server of its own: new data directory, a free port of 127.0.0.1, random password. Resolves when it answers. */
export async function startRedis({ settings = '' }: RedisOptions = {}): Promise<RunningRedis> {
  const program = await installProgram(['redis-server'], 'redis-server', 'REDIS_SERVER_PATH')
  const home = await mkdtemp(join(tmpdir(), 'soma-redis-'))
  const port = await freePort()
  const password = randomBytes(16).toString('hex')
  await writeFile(
    join(home, 'redis.conf'),
    `bind 127.0.0.1\nport ${port}\nrequirepass ${password}\ndir ${home}\nlogfile ${join(home, 'log')}\nsave ""\nappendonly no\ndaemonize no\n${settings}\n`,
    { mode: 0o600 },
  )
  const guard = guardServer(program, home)
  const command = (...words: string[]): Promise<string> =>
    runCommand('redis-cli', ['-h', '127.0.0.1', '-p', String(port), '--no-auth-warning', ...words], { env: { ...process.env, REDISCLI_AUTH: password } })
  const answers = () =>
    command('ping').then(
      (said) => said === 'PONG',
      () => false,
    )
  const running = await startGuarded(guard, { name: 'redis-server', home, startMs, answers })
  return { url: `redis://:${password}@127.0.0.1:${port}`, command, ...running }
}

/**
 * A shell in a session of its own that starts the server for each line it reads, and says its id; its standard input is ours to close, and the system
 * closes it when we die, even by kill -9. Then it ends the server, stopped or not, and removes its data.
 */
function guardServer(program: string, home: string): ChildProcess {
  const script = `while read -r _; do
  "$0" "$1/redis.conf" >/dev/null 2>&1 </dev/null &
  echo $!
done
kill -9 $! 2>/dev/null; wait
cd /; rm -rf "$1"`
  return spawn('sh', ['-c', script, program, home], { cwd: home, detached: true, stdio: ['pipe', 'pipe', 'ignore'] })
}
