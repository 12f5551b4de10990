import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { installOnce } from './cache.ts'
import { freePort, runCommand } from './command.ts'
import { startGuarded } from './guard.ts'

const lite = 'milvus-lite==3.2.2'
/** Its server needs the client's package for the protocol, and does not name it. */
const client = 'pymilvus==3.0.2'

export type RunningMilvus = {
  /** `http://127.0.0.1:<port>`; it asks for no credential. */
  url: string
  port: number
  /** Ends it at once, by kill -9; `restart` starts it again on its port and with its collections. */
  kill(): Promise<void>
  restart(): Promise<void>
  /** Stops it in the middle of whatever it does, and lets it go on: it takes connections meanwhile, and answers nothing. */
  freeze(): void
  thaw(): void
  /** Stops it and removes its data. It also happens by itself when this process ends, however it ends. */
  stop(): Promise<void>
}
const startMs = 60_000

/** Starts Milvus Lite's server: new data directory, a free port of 127.0.0.1. The same protocol as Milvus, in one Python process, without authentication. */
export async function startMilvus(): Promise<RunningMilvus> {
  const program = await installMilvus()
  const home = await mkdtemp(join(tmpdir(), 'soma-milvus-'))
  const port = await freePort()
  const guard = guardServer(program, home, port)
  const running = await startGuarded(guard, { name: 'Milvus Lite', home, startMs, answers: () => listens(port) })
  return { url: `http://127.0.0.1:${port}`, port, ...running }
}

/** From PyPI, with all it needs: half a minute and 430 MB. */
function installMilvus(): Promise<string> {
  return installOnce(lite.replace('==', '-'), async (folder) => {
    await runCommand('python3', ['-m', 'pip', '--version']).catch((cause: unknown) => {
      throw new Error('Milvus Lite comes from PyPI: install python3 (3.10 or newer) and pip (Debian: `apt-get install python3-pip`).', { cause })
    })
    await runCommand('python3', ['-m', 'pip', 'install', '--quiet', `--target=${folder}`, lite, client])
  })
}

/**
 * A shell in a session of its own that starts the server for each line it reads, and says its id; its standard input is ours to close, and the system
 * closes it when we die, even by kill -9. Then it ends the server, stopped or not, and removes its data.
 */
function guardServer(program: string, home: string, port: number): ChildProcess {
  const script = `while read -r _; do
  python3 -c 'import sys; from milvus_lite.cmdline import main; sys.exit(main())' server --data-dir "$0/data" --host 127.0.0.1 --port "$1" >>"$0/log" 2>&1 </dev/null &
  echo $!
done
kill -9 $! 2>/dev/null; wait
cd /; rm -rf "$0"`
  const env = { ...process.env, PYTHONPATH: program, PYTHONDONTWRITEBYTECODE: '1' }
  return spawn('sh', ['-c', script, home, String(port)], { cwd: home, env, detached: true, stdio: ['pipe', 'pipe', 'ignore'] })
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
