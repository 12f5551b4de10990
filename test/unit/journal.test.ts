import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { parseConfig } from '../../shared/config/index.ts'
import type { Database } from '../../shared/db/index.ts'
import { refuseJournal } from '../../shared/host/journal.ts'
import { type Append, type Entry, encodeLine, type Journal, openJournal, parseLines, readJournal } from '../../shared/journal/index.ts'
import type { Ctx } from '../../shared/tenant/index.ts'
import { runProcess } from '../http/processes.ts'

const root = mkdtempSync(join(tmpdir(), 'soma-journal-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let made = 0
const newDirectory = () => join(root, `journal-${made++}`)
// what takes appends never asks the database: that is what it is for
const database = {} as Database
const open = (directory: string, bounds: { maxBytes?: number; maxAgeMs?: number } = {}) =>
  openJournal({
    ...{ directory, maxBytes: 1024 * 1024, maxAgeMs: 3_600_000, ...bounds, app: database, worker: database, limits: {}, onBroken: () => {} },
    shipping: { store: () => Promise.reject(new Error('nothing is shipped here')), prefix: '' },
  })
const ctx = { tenantId: 7, tenant: 'acme', actor: 'api-token', scopes: new Set(['memory:write']), requestId: 'r' } as unknown as Ctx
const append = (n: number, more: Partial<Append> = {}): Append => ({
  ...{ body: { text: `note ${n} é` }, key: undefined, hash: `h${n}`, memory: `01a1fd1a-0000-7000-8000-${String(n).padStart(12, '0')}`, at: new Date() },
  ...more,
})
const logs = (directory: string) => readdirSync(directory).filter((name) => name.endsWith('.log'))
async function journalled(directory: string, count: number): Promise<string[]> {
  const journal = await open(directory)
  const accepted = await Promise.all(Array.from({ length: count }, (_, n) => journal.accept(ctx, append(n))))
  await journal.close()
  return accepted.map(({ operation }) => operation)
}

describe('a line of the journal', () => {
  const entry = (n: number) =>
    ({
      ...{ kind: 'append', operation: `01a1fd1a-0000-7000-8000-${String(n).padStart(12, '0')}`, memory: '01a1fd1a-0000-7000-8000-000000000001', at: '2026-01-31T12:00:00.000Z' },
      ...{ tenant_id: 7, tenant: 'acme', actor: 'open', request_id: 'r', hash: 'h', body: { text: 'é\n"' } },
    }) as Entry

  test('that a crash tore, at whatever byte, is no record and spoils none', () => {
    const whole = encodeLine(entry(1))
    const torn = encodeLine(entry(2))
    for (let length = 0; length < torn.length; length++) {
      const cut = parseLines(Buffer.concat([whole, torn.subarray(0, length)]))
      expect([cut.records.length, cut.end]).toEqual([1, whole.length])
      // the next process ends it, and goes on
      const after = parseLines(Buffer.concat([whole, torn.subarray(0, length), Buffer.from('\n'), encodeLine(entry(3))]))
      const last = length === torn.length - 1 ? 3 : 2
      expect(after.records.length).toBe(last)
      expect(after.damaged).toBe(length === 0 || last === 3 ? 0 : 1)
    }
  })

  test('that the disk has changed is no record', () => {
    const line = encodeLine(entry(1))
    for (let at = 0; at < line.length - 1; at++) {
      const changed = Buffer.from(line)
      changed[at] = (changed[at] as number) ^ 1
      expect(parseLines(changed).records).toEqual([])
    }
  })
})

describe('a journal', () => {
  test('keeps what it was given, in order, over a restart, and knows the keys again', async () => {
    const directory = newDirectory()
    const operations = await journalled(directory, 20)
    const again = await open(directory)
    expect((await again.reader.entries()).map(({ operation }) => operation)).toEqual(operations)
    expect(again.pending()).toBe(20)
    const keyed = { key: 'k', hash: 'h' }
    const [one, two] = await Promise.all([again.accept(ctx, append(30, keyed)), again.accept(ctx, append(31, keyed))])
    expect([one.replayed, two.replayed, two.operation]).toEqual([false, true, one.operation])
    await again.close()
    const third = await open(directory)
    expect(await third.accept(ctx, append(32, keyed))).toEqual({ operation: one.operation, replayed: true })
    await expect(third.accept(ctx, append(33, { key: 'k', hash: 'other' }))).rejects.toMatchObject({ code: 'idempotency_conflict' })
    expect(await third.accept({ ...ctx, tenantId: 8 }, append(34, keyed))).toMatchObject({ replayed: false })
    await third.close()
    // each process, and each day, has a file of its own
    expect(logs(directory)).toHaveLength(3)
  })

  test('takes a torn end for no record, ends it, and goes on behind it', async () => {
    const directory = newDirectory()
    const operations = await journalled(directory, 3)
    const [name = ''] = logs(directory)
    truncateSync(join(directory, name), readFileSync(join(directory, name)).length - 7)
    expect(await readJournal(directory).segments()).toMatchObject([{ entries: 2, pending: 2, unfinished: expect.any(Number) }])
    const again = await open(directory)
    expect(again.pending()).toBe(2)
    const { operation } = await again.accept(ctx, append(9))
    expect((await again.reader.entries()).map((one) => one.operation)).toEqual([...operations.slice(0, 2), operation])
    await again.close()
  })

  test('is one process’s: another is refused by name', async () => {
    const directory = newDirectory()
    const journal = await open(directory)
    await expect(open(directory)).rejects.toThrow(/^The journal directory .* is in use by this process \(pid \d+\)\./)
    await journal.close()
    await (await open(directory)).close()
  })

  test('refuses beyond its size and its age, with Retry-After, and loses nothing of what it has', async () => {
    const full = { code: 'unavailable', details: { retryAfterSeconds: expect.any(Number) } }
    const small = await open(newDirectory(), { maxBytes: 4_000 })
    let kept = 0
    await expect(
      (async () => {
        for (; kept < 100; kept++) await small.accept({ ...ctx, tenantId: kept }, append(kept))
      })(),
    ).rejects.toMatchObject({ ...full, message: expect.stringContaining('JOURNAL_MAX_MB') })
    expect(kept).toBeGreaterThan(3)
    expect((await small.reader.state()).pending).toBe(kept)
    await small.close()
    const old = await open(newDirectory(), { maxAgeMs: 60_000 })
    await old.accept(ctx, append(1, { at: new Date(Date.now() - 61_000) }))
    await expect(old.accept(ctx, append(2))).rejects.toMatchObject({ ...full, message: expect.stringContaining('JOURNAL_MAX_HOURS') })
    await old.close()
  })

  test('gives one tenant half of itself at most', async () => {
    const journal = await open(newDirectory(), { maxBytes: 8_000 })
    let kept = 0
    const fill = async () => {
      for (; kept < 100; kept++) await journal.accept(ctx, append(kept))
    }
    await expect(fill()).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('share') })
    expect(await journal.accept({ ...ctx, tenantId: 8 }, append(200))).toMatchObject({ replayed: false })
    await journal.close()
  })

  test('goes on with another file each day', async () => {
    const directory = newDirectory()
    const journal: Journal = await open(directory, { maxAgeMs: Number.MAX_SAFE_INTEGER })
    for (const day of ['2026-01-30T23:59:59Z', '2026-01-31T00:00:00Z', '2026-01-31T12:00:00Z']) await journal.accept(ctx, append(1, { at: new Date(day) }))
    expect((await journal.reader.segments()).map(({ day, entries }) => [day, entries])).toEqual([
      ['2026-01-30', 1],
      ['2026-01-31', 2],
    ])
    await journal.close()
  })

  test('a write that ends in the middle is answered as not kept, is not there, and what comes next is', async () => {
    const directory = newDirectory()
    const script = join(root, 'full.ts')
    writeFileSync(
      script,
      `import { openJournal } from '${process.cwd()}/shared/journal/index.ts'
const journal = await openJournal({ directory: process.argv[2], maxBytes: 1e9, maxAgeMs: 1e9, app: {}, worker: {}, onBroken() {}, shipping: {} })
const ctx = ${JSON.stringify({ tenantId: 7, tenant: 'acme', actor: 'open', requestId: 'r' })}
for (let n = 0; n < 12; n++) {
  const memory = '01a1fd1a-0000-7000-8000-' + String(n).padStart(12, '0')
  await journal.accept(ctx, { body: { text: 'x'.repeat(5000) }, hash: 'h', memory, at: new Date() }).then(() => console.log(memory), (error) => console.log(error.code, error.details.cause.code))
}
await journal.close()`,
    )
    // no file may grow beyond 32 blocks of 512 bytes, so a write is cut short within a line
    const { stdout, stderr } = await runProcess(
      [
        '-e',
        `require('child_process').execFileSync('sh', ['-c', 'ulimit -f 32; exec "$0" "$@"', process.execPath, ${JSON.stringify(script)}, ${JSON.stringify(directory)}], { stdio: 'inherit' })`,
      ],
      {},
    )
    const said = stdout.trim().split('\n')
    expect(stderr).toBe('')
    expect(said.filter((line) => line === 'unavailable EFBIG').length).toBeGreaterThan(1)
    const kept = said.filter((line) => line.startsWith('01a1fd1a'))
    expect(kept.length).toBeGreaterThan(5)
    const reader = readJournal(directory)
    expect((await reader.entries()).map(({ memory }) => memory)).toEqual(kept)
    expect((await reader.segments()).every(({ damaged, unfinished }) => damaged === 0 && unfinished === 0)).toBe(true)
  })

  test('what is being written beside a reader is seen once it is whole', async () => {
    const directory = newDirectory()
    await journalled(directory, 1)
    const [name = ''] = logs(directory)
    const reader = readJournal(directory)
    expect((await reader.entries()).length).toBe(1)
    const line = readFileSync(join(directory, name))
    const other = encodeLine({ ...(parseLines(line).records[0]?.line as Entry), operation: '01a1fd1a-0000-7000-8000-0000000000ff' })
    appendFileSync(join(directory, name), other.subarray(0, 50))
    expect((await reader.entries()).length).toBe(1)
    appendFileSync(join(directory, name), other.subarray(50))
    expect((await reader.entries()).map(({ operation }) => operation.slice(-2))).toContain('ff')
  })
})

test('a Lambda refuses a journal', () => {
  expect(() => refuseJournal(parseConfig({ JOURNAL_DIR: '/mnt/journal' }))).toThrow(/^JOURNAL_DIR is set, but a Lambda has no disk/)
  expect(() => refuseJournal(parseConfig({}))).not.toThrow()
})
