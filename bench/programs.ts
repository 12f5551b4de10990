import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import pg from 'pg'

/** How long a program took, the most memory it had, and what it said. */
export type Run = { seconds: number; peakBytes: number; stdout: string }
export const soma = [process.execPath, 'bin/soma.ts']

/** A new database on the same server, for the time of the work. */
export async function withEmpty<T>(adminUrl: string, work: (url: string) => Promise<T>): Promise<T> {
  const name = `soma_bench_${randomBytes(6).toString('hex')}`
  const client = new pg.Client({ connectionString: adminUrl })
  await client.connect()
  try {
    await client.query(`create database ${name}`)
    return await work(Object.assign(new URL(adminUrl), { pathname: `/${name}` }).href)
  } finally {
    await client.query(`drop database if exists ${name} with (force)`)
    await client.end()
  }
}

export async function run([program = '', ...args]: string[], env: Record<string, string> = {}): Promise<Run> {
  const { PATH, HOME, TMPDIR } = process.env
  const started = performance.now()
  const child = spawn(program, args, { env: { PATH, HOME, TMPDIR, ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
  let stdout = ''
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  let peakBytes = Number.NaN
  // the kernel keeps the highest mark: the last look at it is all but exact
  const watch = setInterval(() => {
    peakBytes = peakOf(child.pid) ?? peakBytes
  }, 50)
  try {
    const [code] = await once(child, 'close')
    if (code !== 0) throw new Error(`${program} ${args[0]} ended with ${code}.`)
    return { seconds: (performance.now() - started) / 1000, peakBytes, stdout }
  } finally {
    clearInterval(watch)
  }
}

/** The most resident memory a process has had; undefined where /proc does not tell. */
function peakOf(pid: number | undefined): number | undefined {
  try {
    const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
  } catch {
    return undefined // it has just ended
  }
}
