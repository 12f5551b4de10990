import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { installOnce } from './cache.ts'
import { freePort, runCommand } from './command.ts'
import { endGuard } from './guard.ts'

const version = '1.8.0'

export type RunningS3 = {
  /** Endpoint with its access key and secret: `http://<key>:<secret>@127.0.0.1:<port>`. */
  url: string
  /** Ends it at once, by kill -9; `restart` starts it again on its port and with its buckets. For tests of what happens meanwhile. */
  kill(): Promise<void>
  restart(): Promise<void>
  /** Stops it and removes its buckets. It also happens by itself when this process ends, however it ends. */
  stop(): Promise<void>
}

/** Starts versitygw, an S3 gateway over a directory: new data, a free port of 127.0.0.1, random keys. */
export async function startS3(): Promise<RunningS3> {
  const program = join(await installGateway(), 'versitygw')
  const home = await mkdtemp(join(tmpdir(), 'soma-s3-'))
  for (const folder of ['data', 'versions', 'iam']) await mkdir(join(home, folder))
  const port = await freePort()
  const keys = { ROOT_ACCESS_KEY: randomBytes(8).toString('hex'), ROOT_SECRET_KEY: randomBytes(16).toString('hex') }
  const guard = guardGateway(program, home, port, keys)
  let pid = 0
  const start = async (): Promise<void> => {
    guard.stdin?.write('start\n')
    const [said] = (await once(guard.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
    pid = Number(said.toString())
    const end = Date.now() + 15_000
    while (!(await listens(port))) {
      if (Date.now() > end) throw new Error(`versitygw did not start. Its log says:\n${await readFile(join(home, 'log'), 'utf8').catch(() => '(no log)')}`)
      await setTimeout(20)
    }
  }
  const stop = () => endGuard(guard)
  try {
    await start()
  } catch (error) {
    await stop()
    throw error
  }
  return {
    url: `http://${keys.ROOT_ACCESS_KEY}:${keys.ROOT_SECRET_KEY}@127.0.0.1:${port}`,
    async kill() {
      process.kill(pid, 'SIGKILL')
      while (await listens(port)) await setTimeout(20)
    },
    restart: start,
    stop,
  }
}

/** Built once from the Go module proxy. Go's own folders are in the partial one, so nothing of the 100 MB it downloads stays. */
function installGateway(): Promise<string> {
  return installOnce(`versitygw-${version}`, async (folder) => {
    const go = join(folder, 'go')
    const env = { ...process.env, GOPATH: go, GOBIN: '', GOCACHE: join(go, 'cache'), GOFLAGS: '-modcacherw', CGO_ENABLED: '0' }
    await runCommand('go', ['install', '-trimpath', '-ldflags=-s -w', `github.com/versity/versitygw/cmd/versitygw@v${version}`], { env })
    await rename(join(go, 'bin/versitygw'), join(folder, 'versitygw'))
    await rm(go, { recursive: true })
  })
}

/**
 * A shell in a session of its own that starts the gateway for each line it reads, and says its id; its standard input is ours to close, and the system
 * closes it when we die, even by kill -9. Then it stops the gateway and removes its data.
 */
function guardGateway(program: string, home: string, port: number, keys: Record<string, string>): ChildProcess {
  const script = `while read -r _; do
  "$0" --port "127.0.0.1:$2" --iam-dir "$1/iam" posix --versioning-dir "$1/versions" "$1/data" >>"$1/log" 2>&1 </dev/null &
  echo $!
done
kill $! 2>/dev/null; wait
cd /; rm -rf "$1"`
  return spawn('sh', ['-c', script, program, home, String(port)], { cwd: home, env: { ...process.env, ...keys }, detached: true, stdio: ['pipe', 'pipe', 'ignore'] })
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}
