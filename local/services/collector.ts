import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './command.ts'
import { startGuarded } from './guard.ts'

export type RunningCollector = {
  /** What OTEL_EXPORTER_OTLP_ENDPOINT takes. */
  endpoint: string
  /** What it has been sent so far, as OTLP's JSON: an export a line. */
  received(): Promise<string>
  /** Stops it in the middle of whatever it does, and lets it go on: it takes connections meanwhile, and answers nothing. */
  freeze(): void
  thaw(): void
  /** Ends it at once; `restart` starts it again on its port. What it had received stays. */
  kill(): Promise<void>
  restart(): Promise<void>
  /** Stops it and removes what it has written. It also happens by itself when this process ends, however it ends. */
  stop(): Promise<void>
}

const startMs = 15_000

/** Starts an OpenTelemetry Collector of its own (installCollector's program): OTLP over HTTP on a free port of 127.0.0.1. Resolves when it listens. */
export async function startCollector(program: string): Promise<RunningCollector> {
  const home = await mkdtemp(join(tmpdir(), 'soma-collector-'))
  const port = await freePort()
  const settings = {
    receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${port}` } } } },
    exporters: { lines: {} },
    service: { pipelines: { traces: { receivers: ['otlp'], exporters: ['lines'] } }, telemetry: { metrics: { level: 'none' } } },
  }
  // JSON is YAML
  await writeFile(join(home, 'settings.yaml'), JSON.stringify(settings))
  const guard = guardServer(program, home)
  const answers = () =>
    fetch(`http://127.0.0.1:${port}/v1/traces`, { signal: AbortSignal.timeout(1_000) }).then(
      () => true,
      () => false,
    )
  const running = await startGuarded(guard, { name: 'The collector', home, startMs, answers })
  return { endpoint: `http://127.0.0.1:${port}`, received: () => readFile(join(home, 'received'), 'utf8'), ...running }
}

/**
 * A shell in a session of its own that starts the server for each line it reads, and says its id; its standard input is ours to close, and the system
 * closes it when we die, even by kill -9. Then it ends the server, stopped or not, and removes what it has written.
 */
function guardServer(program: string, home: string): ChildProcess {
  const script = `while read -r _; do
  "$0" --config "$1/settings.yaml" >>"$1/received" 2>>"$1/log" </dev/null &
  echo $!
done
kill -9 $! 2>/dev/null; wait
cd /; rm -rf "$1"`
  return spawn('sh', ['-c', script, program, home], { cwd: home, detached: true, stdio: ['pipe', 'pipe', 'ignore'] })
}
