import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, describe, expect, test } from 'vitest'
import { asAdmin } from '../support/engines.ts'
import { requireService } from '../support/services.ts'
import { embeddedCopy } from '../support/template.ts'

const directory = mkdtempSync(join(tmpdir(), 'soma-cli-backup-'))
const data = await embeddedCopy(join(directory, 'data'))
const archive = join(directory, 'monday')
const sealed = join(directory, 'sealed')
const BACKUP_KEY = randomBytes(32).toString('base64')
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** The real command line, with nothing of this process's configuration. */
async function soma(args: string[], env: Record<string, string> = {}): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { PATH = '', HOME = '' } = process.env
  const child = spawn('node_modules/.bin/node', ['bin/soma.ts', ...args], { env: { PATH, HOME, SOMA_DATA_DIR: data, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  if (child.exitCode === null) await once(child, 'exit')
  return { code: child.exitCode, stdout, stderr }
}
// biome-ignore lint/suspicious/noExplicitAny: tests read answers of many shapes
async function json(args: string[], env: Record<string, string> = {}): Promise<any> {
  const { code, stdout, stderr } = await soma([...args, '--json'], env)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout)
}

describe('backup and restore on the command line', () => {
  test('every command has help with examples', async () => {
    for (const command of ['backup', 'restore', 'verify', 'verify-index', 'drill', 'backups', 'drills']) {
      expect(await soma([command, '--help'])).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/Examples:\n +\$ .*npx soma/) })
    }
  })

  test('a laptop’s memories are archived, verified and brought back elsewhere, and the index is whole', async () => {
    await json(['store', 'Ada prefers tea', '--user', 'ada'])
    const report = await json(['backup', '--out', archive])
    expect(report).toMatchObject({ path: archive, encrypted: false, tables: { memories: 1 } })
    expect(await json(['verify', archive])).toMatchObject({ archive_id: report.archive_id, rows: report.rows })
    const env = { SOMA_DATA_DIR: join(directory, 'elsewhere') }
    expect(await json(['restore', archive], env)).toMatchObject({ archive_id: report.archive_id, generation: 2 })
    expect((await json(['recall', 'tea', '--user', 'ada'], env)).results).toMatchObject([{ text: 'Ada prefers tea' }])
    expect(await json(['verify-index'], env)).toMatchObject({ memories: 1, pending: 0, whole: true, current: { vectors: 1, missing: 0, stale: 0 } })
    const again = await soma(['restore', archive, '--json'], env)
    expect([again.code, JSON.parse(again.stderr).error.detail]).toEqual([1, expect.stringContaining('The target is not empty')])
  }, 120_000)

  test('a drill proves the newest backup, or the one that is named, and tells a damaged one', async () => {
    expect(await soma(['drill'])).toMatchObject({ code: 1, stdout: expect.stringMatching(/There is no backup to restore.*\n.*is NOT proved: 1 of 1 checks failed/) })
    expect(await json(['drill', archive])).toMatchObject({ ok: true, archive: 'monday', recall: { questions: 1, same: 1 } })
    await json(['backup'])
    const newest = await json(['drill'])
    expect(newest).toMatchObject({
      ok: true,
      archive: expect.stringMatching(/^\d{8}T\d{6}Z-/),
      checks: expect.arrayContaining([{ name: 'recall', ok: true, detail: expect.any(String) }]),
    })
    const { items } = await json(['drills'])
    expect(items.map(({ state }: { state: string }) => state)).toEqual(['succeeded', 'succeeded', 'failed'])
    const page = join(directory, 'drill.html')
    expect(await json(['drills', items[0].id, '--html', page])).toMatchObject({ report: newest })
    expect(readFileSync(page, 'utf8')).toContain('The backup was restored and is what it was.')
    const damaged = join(directory, 'damaged')
    await json(['backup', '--out', damaged])
    const part = join(damaged, 'part-000001.soma')
    const bytes = readFileSync(part)
    bytes[bytes.length - 9] = (bytes[bytes.length - 9] as number) ^ 4
    writeFileSync(part, bytes)
    expect(await soma(['drill', damaged])).toMatchObject({ code: 1, stdout: expect.stringContaining('is NOT proved') })
    expect((await json(['recall', 'tea', '--user', 'ada'])).results).toMatchObject([{ text: 'Ada prefers tea' }])
  }, 120_000)

  test('an increment lies beside what it builds on, and is verified, restored by time, and searched for one tenant with it', async () => {
    const env = { SOMA_DATA_DIR: (await embeddedCopy(join(directory, 'hourly'))) as string }
    await json(['store', 'Ada prefers tea', '--user', 'ada'], env)
    const full = await json(['backup', '--increment'], env)
    expect(full).toMatchObject({ kind: 'full', base: null })
    await json(['store', 'Ada prefers coffee', '--user', 'ada'], env)
    const increment = await json(['backup', '--increment'], env)
    expect(increment).toMatchObject({ kind: 'increment', base: full.name, tables: { memories: 1 } })
    expect(await json(['verify', increment.path], env)).toMatchObject({ archives: 2, rows: full.rows + increment.rows })
    const elsewhere = { ...env, SOMA_DATA_DIR: join(directory, 'hourly-elsewhere') }
    expect(await json(['restore', increment.path], elsewhere)).toMatchObject({ archives: 2, tables: { memories: 2 } })
    const brought = await json(['restore', '--at', '2100-01-01T00:00:00Z', '--tenant', 'default', '--as', 'default-restored'], env)
    expect(brought).toMatchObject({ as: 'default-restored', tables: { memories: 2, vectors: expect.any(Number) } })
    const { items } = await json(['tenant', 'list'], env)
    expect(items.map(({ name }: { name: string }) => name)).toContain('default-restored')
    const usage = [
      ['restore', increment.path, '--at', '2100-01-01T00:00:00Z'],
      ['restore', '--at', 'yesterday', '--tenant', 'default', '--as', 'other'],
      ['backup', '--increment', '--out', archive],
      ['backup', '--tenant', 'default'],
    ]
    for (const args of usage) expect(await soma(args, env), args.join(' ')).toMatchObject({ code: 2, stdout: '' })
  }, 120_000)

  test('with a key it is encrypted, and one bit is enough to refuse it', async () => {
    await json(['backup', '--out', sealed], { BACKUP_KEY })
    expect(await json(['verify', sealed], { BACKUP_KEY })).toMatchObject({ encrypted: true })
    expect(await soma(['verify', sealed])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^The archive is encrypted with the key [0-9a-f]{16}: set BACKUP_KEY to that key\.\n$/),
    })
    const part = join(sealed, 'part-000001.soma')
    const bytes = readFileSync(part)
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1
    writeFileSync(part, bytes)
    expect(await soma(['verify', sealed], { BACKUP_KEY })).toMatchObject({ code: 1, stderr: expect.stringMatching(/authentication fails|is damaged/) })
    expect(await soma(['restore', join(directory, 'nowhere')])).toMatchObject({ code: 3, stderr: expect.stringContaining('There is no directory') })
    expect(await soma(['backup', '--out', join(directory, 'bad')], { BACKUP_KEY: 'short' })).toMatchObject({ code: 1, stderr: expect.stringContaining('BACKUP_KEY got a value') })
  }, 120_000)

  test('without --out it stands under the data directory, by its time', async () => {
    const { path } = await json(['backup'])
    expect(path).toMatch(new RegExp(`^${join(data, 'backups')}/\\d{8}T\\d{6}Z-[0-9a-f]{8}-[0-9a-f]{8}$`))
    expect(readdirSync(path).sort()).toEqual(['manifest.json', 'part-000001.soma'])
    // and the directory is still the database's
    expect(await json(['stats'])).toMatchObject({ total_memories: 1 })
  }, 120_000)

  const server = requireService('POSTGRES_URL')
  test.skipIf(!server)(
    'it grows out of the laptop: the archive goes into a new Postgres',
    async () => {
      const name = `soma_grown_${randomBytes(6).toString('hex')}`
      const url = Object.assign(new URL(server as string), { pathname: `/${name}` }).href
      await asAdmin(server as string, (client) => client.query(`create database ${name}`))
      try {
        expect(await json(['restore', archive], { POSTGRES_URL: url })).toMatchObject({ generation: 2 })
        const { code, stdout } = await soma(['recall', 'tea', '--user', 'ada', '--json'], { POSTGRES_URL: url })
        expect([code, JSON.parse(stdout).results[0].text]).toEqual([0, 'Ada prefers tea'])
      } finally {
        await asAdmin(server as string, (client) => client.query(`drop database ${name} with (force)`))
      }
    },
    120_000,
  )
})
