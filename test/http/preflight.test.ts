import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { manifest } from '../../functions/manifest.ts'
import { schemaVersion } from '../../shared/db/index.ts'
import { exitOf, runProcess, startProcess, untilLine } from './processes.ts'

const directory = mkdtempSync(join(tmpdir(), 'soma-preflight-'))
const env = { SOMA_DATA_DIR: join(directory, 'data') }
const soma = (args: string[], more: Record<string, string> = {}) => runProcess(['bin/soma.ts', ...args, '--json'], { ...env, ...more })
const checksOf = (stdout: string) => JSON.parse(stdout).checks.map(({ name, ok }: { name: string; ok: boolean }) => `${ok ? 'ok' : 'FAIL'} ${name}`)
const endpoints = manifest.flatMap(({ kind, name }) => (kind === 'http' ? [`ok endpoints: ${name}`] : []))
const way = ['ok store', 'ok recall', 'ok outbox', 'ok forget']

let server: ChildProcess
let url: string
beforeAll(async () => {
  // before there is a database
  const first = await soma(['preflight'])
  expect(first).toMatchObject({ code: 0, stderr: '' })
  expect(checksOf(first.stdout)).toEqual(['ok node', 'ok configuration', 'ok embedder', 'ok data directory', ...endpoints, ...way])
  const again = await soma(['preflight'])
  expect(checksOf(again.stdout)).toEqual(expect.arrayContaining(['ok schema', 'ok role of requests', 'ok role of workers', 'ok pgvector', ...way]))
}, 120_000)
afterAll(async () => {
  server?.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

test('what is wrong fails by name and exits 1', async () => {
  const wrong: [Record<string, string>, string][] = [
    [{ PORT: 'no' }, 'FAIL configuration'],
    [{ UVICORN_WORKERS: '4' }, 'FAIL configuration'],
    [{ EMBEDDER: 'http', EMBEDDING_URL: 'http://127.0.0.1:9/embeddings', EMBEDDING_MODEL: 'm' }, 'FAIL embedder'],
    [{ POSTGRES_URL: 'postgres://soma@127.0.0.1:9/soma' }, 'FAIL postgres'],
  ]
  for (const [more, check] of wrong) {
    const { code, stdout } = await soma(['preflight'], more)
    expect(checksOf(stdout)).toContain(check)
    expect(checksOf(stdout)).not.toContain('ok store')
    expect(code).toBe(1)
  }
  const { code, stdout } = await soma(['preflight', '--url', 'http://127.0.0.1:9'])
  expect({ code, checks: checksOf(stdout) }).toEqual({ code: 1, checks: ['ok node', 'FAIL server'] })
}, 60_000)

test('the schema’s version is told, and 1 says that it is not this code’s', async () => {
  const { code, stdout } = await soma(['migrate', '--status'])
  expect({ code, status: JSON.parse(stdout) }).toEqual({ code: 0, status: { version: schemaVersion, code: schemaVersion, current: true } })
  const empty = await soma(['migrate', '--status'], { SOMA_DATA_DIR: join(directory, 'empty') })
  expect({ code: empty.code, status: JSON.parse(empty.stdout) }).toEqual({ code: 1, status: { version: 0, code: schemaVersion, current: false } })
})

test('a worker that is none is refused with the names there are', async () => {
  for (const name of ['nothing', 'store', 'constructor']) {
    const { code, stderr } = await soma(['worker', name])
    expect(code).toBe(2)
    expect(JSON.parse(stderr).error).toMatchObject({ code: 'usage', detail: expect.stringContaining('drain-outbox, index-vectors, project-events') })
  }
})

test('a job runs once, or on its schedule until SIGTERM', async () => {
  const once = await soma(['worker', 'sweep', '--once'])
  expect({ code: once.code, report: JSON.parse(once.stdout) }).toEqual({ code: 0, report: { handler: 'sweep', runs: 1, done: 0, failed: 0 } })
  const child = startProcess(['bin/soma.ts', 'worker', 'drain-outbox'], env)
  const report = untilLine(child, /^(\d+) runs? of drain-outbox: 0 done, 0 runs failed\.$/)
  await untilLine(child, /^drain-outbox runs until SIGTERM/)
  child.kill('SIGTERM')
  expect(Number((await report)[1])).toBeGreaterThanOrEqual(0)
  expect(await exitOf(child)).toBe(0)
})

test('a server is checked by its URL, with the same way of one memory, and keeps nothing of it', async () => {
  server = startProcess(['bin/soma.ts', 'start', '--port', '0', '--json'], env)
  url = JSON.parse((await untilLine(server, /^(\{"url".*\})$/))[1] as string).url
  for (const args of [['preflight', '--url', url], ['preflight']]) {
    const { code, stdout } = await soma(args)
    expect(code, stdout).toBe(0)
    expect(checksOf(stdout).slice(-endpoints.length - way.length)).toEqual([...endpoints, ...way])
  }
  expect(await (await fetch(`${url}/stats`)).json()).toMatchObject({ total_memories: 0 })
  const held = await soma(['worker', 'drain-outbox'])
  expect({ code: held.code, error: JSON.parse(held.stderr).error.detail }).toEqual({ code: 5, error: expect.stringContaining('runs every worker by itself') })
  const { code, stderr } = await soma(['worker', 'sweep', '--url', url])
  expect({ code, error: JSON.parse(stderr).error.code }).toEqual({ code: 2, error: 'usage' })
}, 60_000)
