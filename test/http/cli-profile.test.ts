import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { asAdmin } from '../support/admin.ts'
import { requireService } from '../support/services.ts'
import { runProcess } from './processes.ts'

const directory = mkdtempSync(join(tmpdir(), 'soma-cli-profile-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))
const soma = (args: string[], env: Record<string, string> = {}) =>
  runProcess(['bin/soma.ts', 'profile', '--json', ...args], { SOMA_DATA_DIR: join(directory, 'mine'), TMPDIR: directory, ...env })
const sum = (parts: { share: number }[]) => parts.reduce((all, { share }) => all + share, 0)

test('soma profile counts what it sent, tells where time and memory went, keeps files for DevTools, and leaves nothing else', async () => {
  const out = join(directory, 'out')
  const { code, stdout, stderr } = await soma(['--seconds', '5', '--out', out])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const report = JSON.parse(stdout)
  const sent = (name: string): number => report.operations.find((one: { name: string }) => one.name === name).sent
  expect(report).toMatchObject({ engine: 'embedded', clients: 4 })
  expect(report.seconds).toBeGreaterThanOrEqual(5)
  for (const operation of report.operations) {
    expect(operation).toMatchObject({ failed: 0 })
    expect(operation.sent).toBeGreaterThan(0)
    expect(operation.per_second).toBeCloseTo(operation.sent / report.seconds, 0)
    expect(operation.p50_ms).toBeGreaterThan(0)
    expect(operation.p95_ms).toBeGreaterThanOrEqual(operation.p50_ms)
  }
  // the server's own count: 1,000 and three rounds of three stores and a bulk of 50 were there before
  expect(report.memories).toBe(report.stored)
  expect(report.memories).toBe(1_000 + 3 * (3 + 50) + sent('store') + 50 * sent('store_bulk'))

  const { cpu, heap } = report
  expect(sum(cpu.places)).toBeCloseTo(1, 6)
  expect(cpu.busy).toBeGreaterThan(0)
  expect(cpu.busy).toBeLessThanOrEqual(1)
  const places = cpu.places.map(({ place }: { place: string }) => place)
  expect(places).toEqual(expect.arrayContaining(['shared/recall', 'shared/ranking', 'shared/memory', 'pg', 'V8 and Node (native)', '(garbage collector)']))
  expect(cpu.functions).toHaveLength(20)
  expect(sum(cpu.functions)).toBeLessThanOrEqual(1)
  expect(heap.allocators).toHaveLength(20)
  expect(sum(heap.allocators)).toBeLessThanOrEqual(1)
  expect(heap.used_after_gc_bytes).toBeLessThan(heap.used_before_gc_bytes)
  expect(heap.allocated_bytes).toBeGreaterThan(heap.used_after_gc_bytes)
  expect(report.event_loop_delay_p99_ms).toBeGreaterThanOrEqual(0)
  expect(stdout).not.toContain(process.cwd())

  const read = (file: string) => JSON.parse(readFileSync(join(out, file), 'utf8'))
  expect(read('soma.cpuprofile')).toMatchObject({ nodes: expect.any(Array), samples: expect.any(Array), timeDeltas: expect.any(Array) })
  expect(read('soma.heapprofile')).toMatchObject({ head: { children: expect.any(Array) } })
  expect(readdirSync(directory).filter((name) => name.startsWith('soma-profile-'))).toEqual([])
  expect(existsSync(join(directory, 'mine'))).toBe(false)
}, 120_000)

test('soma profile refuses a configured server without --yes, another server, and a length out of bounds', async () => {
  const postgres = { POSTGRES_URL: 'postgres://soma@127.0.0.1:1/soma' }
  const wrong: [string[], Record<string, string>, RegExp][] = [
    [[], postgres, /with --yes a database of its own is made/],
    [['--url', 'http://127.0.0.1:1'], {}, /works on the database itself/],
    [['--seconds', '4'], {}, /5 to 300 seconds/],
    [['--seconds', '301'], {}, /5 to 300 seconds/],
  ]
  for (const [args, env, said] of wrong) {
    const { code, stderr } = await soma(args, env)
    expect(code).toBe(2)
    expect(JSON.parse(stderr).error).toMatchObject({ code: 'usage', detail: expect.stringMatching(said) })
  }
}, 60_000)

const url = requireService('POSTGRES_URL')
test.skipIf(!url)(
  `with --yes it profiles on a database of its own beside the configured one, and drops it${url ? '' : ' (skipped: no POSTGRES_URL)'}`,
  async () => {
    const { code, stdout, stderr } = await soma(['--seconds', '5', '--yes'], { POSTGRES_URL: url as string })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const report = JSON.parse(stdout)
    expect(report).toMatchObject({ engine: 'postgres', memories: report.stored })
    expect(sum(report.cpu.places)).toBeCloseTo(1, 6)
    const left = await asAdmin(url as string, (client) => client.query(`select 1 from pg_database where datname like 'soma\\_profile\\_%'`))
    expect(left).toMatchObject({ rows: [] })
  },
  120_000,
)
