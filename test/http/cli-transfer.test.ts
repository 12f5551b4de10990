import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { embeddedCopy } from '../support/template.ts'
import { link, memory, ndjson, parse, version } from '../support/transfer.ts'
import { startProcess, untilLine } from './processes.ts'

const directory = mkdtempSync(join(tmpdir(), 'soma-cli-transfer-'))
let server: ChildProcess
let url: string
beforeAll(async () => {
  await embeddedCopy(path('data'))
  await embeddedCopy(path('copy'))
  server = startProcess(['bin/soma.ts', 'start'], { PORT: '0', SOMA_DATA_DIR: path('data'), LOG_LEVEL: 'error' })
  url = (await untilLine(server, /listens on (http:\/\/[\w.:]+)/))[1] as string
})
afterAll(() => {
  server?.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})
const path = (name: string) => join(directory, name)

/** On the server, or without one on a data directory of its own. */
async function soma(args: string[], { data = '', input = '' } = {}): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { PATH = '', HOME = '' } = process.env
  const child = spawn('node_modules/.bin/node', ['bin/soma.ts', ...args], { env: { PATH, HOME, ...(data ? { SOMA_DATA_DIR: path(data) } : { SOMA_URL: url }) }, stdio: 'pipe' })
  child.stdin.end(input)
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  if (child.exitCode === null) await once(child, 'exit')
  return { code: child.exitCode, stdout, stderr }
}

const lines = [version(1, 1), version(1, 2), memory(1, { version: 3 }), memory(2, { namespace: 'other', user_id: 'ada' }), memory(3), link(20, 1, 3)]
const hashIn = (output: string) => /Content hash ([0-9a-f]{64})/.exec(output)?.[1] ?? JSON.parse(output).hash

describe('soma export, import and verify', () => {
  test('a file that was imported is exported and verified with the same hash, and a copy has it too', async () => {
    writeFileSync(path('in.ndjson'), ndjson(lines))
    const imported = await soma(['import', path('in.ndjson')])
    expect(imported).toMatchObject({ code: 0, stdout: expect.stringContaining('Imported 3 memories, 2 versions and 1 link of 6 lines; 0 were here already, 0 failed.') })
    expect(imported.stderr).toMatch(/^Importing: 100 %, .* kB of .* kB, .*\n/m)
    const hash = hashIn(imported.stdout)
    const exported = await soma(['export', '--all-namespaces', '--versions', '--links', '--out', path('out.ndjson')])
    expect(exported).toMatchObject({ code: 0, stdout: '' })
    expect(hashIn(exported.stderr.split('\n').findLast((line) => line.includes('hash')) ?? '')).toBe(hash)
    expect(readFileSync(path('out.ndjson'), 'utf8')).toBe(ndjson(lines))
    const verified = await soma(['verify', '--json'])
    expect(JSON.parse(verified.stdout)).toEqual({ lines: 6, hash })
    const copied = await soma(['import', '-', '--json'], { data: 'copy', input: readFileSync(path('out.ndjson'), 'utf8') })
    expect(copied).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(copied.stdout)).toMatchObject({ lines: 6, imported: 3, versions: 2, links: 1, hash })
    // without a server: what it imported is indexed when it ends
    expect(JSON.parse((await soma(['recall', 'memory 3', '--json'], { data: 'copy' })).stdout).results[0]).toMatchObject({ index_state: 'indexed' })
  }, 120_000)

  test('an export that was cut goes on where it was, wherever the cut is', async () => {
    const whole = ndjson(lines)
    const { hash } = JSON.parse((await soma(['verify', '--json'])).stdout)
    const cuts = [0, ndjson(lines.slice(0, 1)).length, ndjson(lines.slice(0, 3)).length - 1, ndjson(lines.slice(0, 4)).length + 5, whole.length]
    for (const [n, cut] of cuts.entries()) {
      const file = path(`cut-${n}.ndjson`)
      writeFileSync(file, whole.slice(0, cut))
      const resumed = await soma(['export', '--all-namespaces', '--versions', '--links', '--out', file, '--resume', '--json'])
      expect(resumed).toMatchObject({ code: 0, stdout: '' })
      expect(readFileSync(file, 'utf8')).toBe(whole)
      expect(JSON.parse(resumed.stderr)).toMatchObject({ lines: 6, hash })
    }
    const existing = await soma(['export', '--out', path('cut-0.ndjson'), '--json'])
    expect({ code: existing.code, error: JSON.parse(existing.stderr).error.code }).toEqual({ code: 1, error: 'conflict' })
    writeFileSync(path('foreign.txt'), 'a text\nof somebody\n')
    expect((await soma(['export', '--out', path('foreign.txt'), '--resume'])).stderr).toContain('holds a line that no export wrote')
    expect(readFileSync(path('foreign.txt'), 'utf8')).toBe('a text\nof somebody\n')
  }, 120_000)

  test('stdout holds the lines and nothing else; a namespace and a user narrow them', async () => {
    const { code, stdout, stderr } = await soma(['export', '--namespace', 'other', '--user', 'ada'])
    expect({ code, lines: parse(stdout) }).toEqual({ code: 0, lines: [lines[3]] })
    expect(stderr).toMatch(/Exported 1 lines\. Content hash [0-9a-f]{64}\n$/)
  })

  test('lines that fail are named and counted, and the exit code says so; another namespace and user can be given', async () => {
    const input = `${ndjson([memory(50)])}nope\n${ndjson([memory(1, { text: 'changed' }), memory(51)])}`
    const run = await soma(['import', '-', '--namespace', 'moved', '--user', 'eve', '--json'], { input })
    expect(run.code).toBe(1)
    expect(JSON.parse(run.stdout)).toMatchObject({
      imported: 2,
      failed: 2,
      errors: [
        { line: 2, code: 'malformed' },
        { line: 3, code: 'conflict' },
      ],
    })
    const { stdout } = await soma(['export', '--namespace', 'moved', '--user', 'eve'])
    expect(parse(stdout).map((line) => line.text)).toEqual(['memory 50', 'memory 51'])
    expect(await soma(['import', path('nowhere')])).toMatchObject({ code: 3, stderr: expect.stringContaining('There is no file') })
    expect((await soma(['import', path('in.ndjson'), '--from', 'nothing'])).code).toBe(2)
  })

  test("another system's file makes no doubles when it comes twice", async () => {
    const graph = [
      { type: 'relation', from: 'Ada', to: 'Porto', relationType: 'lives in' },
      { type: 'entity', name: 'Ada', entityType: 'person', observations: ['drinks tea'] },
      { type: 'entity', name: 'Porto', entityType: 'city', observations: [] },
      { type: 'other' },
    ]
    writeFileSync(path('memory.jsonl'), graph.map((one) => JSON.stringify(one)).join('\n'))
    const run = async () => JSON.parse((await soma(['import', path('memory.jsonl'), '--from', 'mcp', '--namespace', 'graph', '--json'])).stdout)
    expect(await run()).toMatchObject({ lines: 4, imported: 2, links: 1, duplicate: 0, failed: 1, errors: [{ line: 4, detail: 'It "type" must be "entity" or "relation".' }] })
    expect(await run()).toMatchObject({ lines: 4, imported: 0, links: 0, duplicate: 3, failed: 1 })
    const { stdout } = await soma(['export', '--namespace', 'graph', '--links'])
    expect(parse(stdout).map((line) => line.kind ?? line.text)).toEqual(['Ada (person)\ndrinks tea', 'Porto (city)', 'link'])
  })
})
