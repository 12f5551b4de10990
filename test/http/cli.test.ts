import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openPostgres, schemaVersion } from '../../shared/db/index.ts'
import { requireService } from '../support/services.ts'

const directory = mkdtempSync(join(tmpdir(), 'soma-cli-'))
const data = join(directory, 'data')
afterAll(() => rmSync(directory, { recursive: true, force: true }))

type Run = { code: number | null; stdout: string; stderr: string }

/** The real command line, with nothing of this process's configuration. */
function start(args: string[], env: Record<string, string> = {}): ChildProcess {
  const { PATH = '', HOME = '' } = process.env
  return spawn('node_modules/.bin/node', ['bin/soma.ts', ...args], { env: { PATH, HOME, SOMA_DATA_DIR: data, ...env }, stdio: 'pipe' })
}

async function soma(args: string[], { input = '', env = {} }: { input?: string; env?: Record<string, string> } = {}): Promise<Run> {
  const child = start(args, env)
  child.stdin?.end(input)
  const [stdout, stderr] = await Promise.all([text(child.stdout as NodeJS.ReadableStream), text(child.stderr as NodeJS.ReadableStream)])
  if (child.exitCode === null) await once(child, 'exit')
  return { code: child.exitCode, stdout, stderr }
}

/** The one document on stdout of a command that succeeded, with nothing beside it. */
// biome-ignore lint/suspicious/noExplicitAny: tests read answers of many shapes
async function json(...args: string[]): Promise<any> {
  const { code, stdout, stderr } = await soma([...args, '--json'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout)
}

/** The code of the error on stderr, stdout being empty. */
async function refusal(args: string[], env: Record<string, string> = {}): Promise<{ exit: number | null; code: string; detail: string }> {
  const { code, stdout, stderr } = await soma([...args, '--json'], { env })
  expect(stdout).toBe('')
  return { exit: code, ...JSON.parse(stderr).error }
}

const sentence = `Ada's $(tea) in \`the\` "morning" & ; | \\ %s * ~ <b> é 🍵\nsecond line`

describe('usage', () => {
  test('wrong usage exits 2 and says what is wrong', async () => {
    const wrong = [
      ['frob'],
      ['recall'],
      ['store'],
      ['recall', 'a', 'b'],
      ['stats', '--frob'],
      ['recall', 'x', '-k', 'ten'],
      ['link', 'x'],
      ['link', 'x', 'y', '--weight', 'strong'],
      ['neighbors', 'x', '--hops', 'two'],
      ['path', 'x'],
      ['store', 'x', '--metadata', '[1]'],
      ['stats', '--url', 'nope'],
      ['drain', '--url', 'http://x'],
    ]
    const runs = await Promise.all(wrong.map((args) => refusal(args)))
    for (const run of runs) expect(run).toMatchObject({ exit: 2, code: 'usage', detail: expect.stringMatching(/^.+[.]$|^.+`\.$/s) })
    const human = await soma(['frob'])
    expect(human).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/^Unknown command 'frob'\./) })
  })

  test('a wrong configuration names the variable', async () => {
    expect(await refusal(['stats'], { PORT: 'x' })).toMatchObject({ exit: 1, code: 'config', detail: expect.stringContaining('PORT got "x"') })
  })

  test('a server that is not there exits 5', async () => {
    expect(await refusal(['stats', '--url', 'http://127.0.0.1:1023'])).toMatchObject({ exit: 5, code: 'unavailable', detail: expect.stringContaining('ECONNREFUSED') })
    expect(await refusal(['store', 'x'], { SOMA_URL: 'http://127.0.0.1:1023' })).toMatchObject({ exit: 5, code: 'unavailable' })
  })
})

describe('on a data directory, without a server', () => {
  test('doctor says that there is none yet, and makes none; migrate does', async () => {
    expect(await json('doctor')).toMatchObject({ ok: true })
    expect(existsSync(data)).toBe(false)
    expect(await json('migrate')).toEqual({ from: 0, to: schemaVersion })
  })

  test('a memory is stored to the letter, and there for the next command', async () => {
    const stored = await json('store', sentence, '--user', 'ada', '--tags', 'tea, cups', '--metadata', '{"a":{"b":1}}', '--coord', '1, 2.0', '--type', 'semantic')
    expect(stored).toMatchObject({ text: sentence, user_id: 'ada', tags: ['tea', 'cups'], metadata: { a: { b: 1 } }, coord: '1,2', memory_type: 'semantic', version: 1 })
    const { results } = await json('recall', "Ada's tea", '--user', 'ada', '-k', '1', '--filters', '{"tags":{"contains":"cups"}}', '--explain')
    expect(results).toEqual([
      expect.objectContaining({ id: stored.id, text: sentence, index_state: 'indexed', explain: expect.objectContaining({ matched_terms: expect.any(Array) }) }),
    ])
    const shown = await soma(['recall', "Ada's tea", '--user', 'ada'])
    expect(shown).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining(sentence.replace('\n', ' ')) })
  })

  test('lines are stored each for itself, and those that fail are named', async () => {
    const lines = '{"text":"one"}\n\n{"text":"two","user_id":"bob"}\nnope\n{"texxt":"three"}\n'
    const piped = await soma(['store', '--from-file', '-', '--user', 'eve', '--json'], { input: lines })
    expect(piped).toMatchObject({ code: 1, stderr: '' })
    expect(JSON.parse(piped.stdout)).toMatchObject({
      created: 2,
      failed: 2,
      failures: [
        { line: 4, code: 'malformed' },
        { line: 5, code: 'invalid' },
      ],
    })
    expect(await json('stats')).toMatchObject({ total_memories: 3, semantic: 1, episodic: 2 })
    expect(await json('drain')).toEqual({ sent: 0, failed: 0, pending: 0, dead: 0 })
  })
})

describe('with a server on the data directory', () => {
  let server: ChildProcess
  let url: string
  let systemKey: string

  beforeAll(async () => {
    const made = await json('key', 'create', '--tenant', 'system', '--name', 'operator', '--scopes', 'platform:tenants,admin')
    expect(made).toMatchObject({ name: 'operator', scopes: ['platform:tenants', 'admin'] })
    systemKey = made.key
    server = start(['start', '--port', '0', '--json'], { LOG_LEVEL: 'warn' })
    const [line] = await once(createInterface({ input: server.stdout as NodeJS.ReadableStream }), 'line')
    const started = JSON.parse(line)
    expect(started).toEqual({ url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/), pid: server.pid, engine: 'pglite', auth_mode: 'open' })
    url = started.url
  })
  afterAll(() => {
    server?.kill('SIGKILL')
  })

  test('data commands find it by themselves, and by --url', async () => {
    const stored = await json('store', 'the kettle is blue', '--user', 'kay')
    const [found, named] = await Promise.all([json('recall', 'kettle', '--user', 'kay'), json('recall', 'kettle', '--user', 'kay', '--url', url)])
    expect([found.results[0].id, named.results[0].id]).toEqual([stored.id, stored.id])
    expect(await json('stats', '--url', url)).toMatchObject({ total_memories: 4 })
    expect(await json('doctor')).toMatchObject({ ok: true, checks: expect.arrayContaining([{ name: 'server', ok: true, detail: `The server at ${url} is ok.` }]) })
  })

  test('keys of the default tenant are made, limited, rotated, listed and revoked through it', async () => {
    const made = await json('key', 'create', '--scopes', 'memory:read', '--expires', '2099-01-01T00:00:00Z')
    expect(made).toMatchObject({ scopes: ['memory:read'], expires_at: '2099-01-01T00:00:00.000Z' })
    expect(await json('stats', '--token', made.key)).toMatchObject({ total_memories: 4 })
    expect(await refusal(['store', 'x', '--token', made.key])).toMatchObject({ exit: 4, code: 'forbidden' })
    const limited = await json('key', 'create', '--namespaces', 'notes,tasks', '--user', 'ada', '--scopes', 'memory:read')
    expect(limited.reach).toEqual({ namespaces: ['notes', 'tasks'], user_id: 'ada' })
    const rotated = await json('key', 'rotate', limited.id, '--overlap-seconds', '60')
    expect(rotated).toMatchObject({ reach: limited.reach, rotated_from: limited.id, key: expect.stringMatching(/^soma_/) })
    expect(await refusal(['list', '--user', 'eve', '--token', rotated.key])).toMatchObject({ exit: 4, code: 'forbidden' })
    expect(await json('key', 'revoke', made.id)).toEqual({ id: made.id, revoked: true })
    const { items } = await json('key', 'list')
    expect(items.map(({ id }: { id: string }) => id)).toEqual([rotated.id, limited.id, made.id])
    expect(items.at(-1)).toMatchObject({ name: '', scopes: ['memory:read'], expires_at: made.expires_at, revoked_at: expect.any(String), last_used_at: expect.any(String) })
    expect(await refusal(['key', 'revoke', made.id])).toMatchObject({ exit: 3, code: 'not_found' })
  })

  test('tenants take a key of the system tenant', async () => {
    const over = ['--url', url, '--token', systemKey]
    const made = await json('tenant', 'create', 'acme', ...over)
    expect(await json('key', 'list', '--tenant', 'acme', '--token', made.admin_key.key)).toMatchObject({ items: [{ id: made.admin_key.id }] })
    expect(await json('tenant', 'suspend', 'acme', ...over)).toMatchObject({ name: 'acme', status: 'suspended' })
    expect((await json('tenant', 'list', ...over)).items.map((one: { name: string; status: string }) => `${one.name} ${one.status}`)).toEqual([
      'acme suspended',
      'default active',
      'system active',
    ])
    expect(await refusal(['tenant', 'suspend', 'nobody', ...over])).toMatchObject({ exit: 3, code: 'not_found' })
    expect(await refusal(['tenant', 'list', '--url', url])).toMatchObject({ exit: 4, code: 'forbidden' })
    expect(await refusal(['key', 'create', '--tenant', 'acme', ...over])).toMatchObject({ exit: 4, code: 'forbidden' })
  })

  test('a file of more lines than one call takes is stored whole', async () => {
    const file = join(directory, 'many.ndjson')
    writeFileSync(file, Array.from({ length: 501 }, (_, i) => `{"text":"number ${i}","namespace":"many"}`).join('\n'))
    expect(await json('store', '--from-file', file)).toEqual({ created: 501, updated: 0, duplicate: 0, failed: 0, failures: [] })
    expect(await json('stats')).toMatchObject({ total_memories: 505 })
    expect(await refusal(['store', '--from-file', join(directory, 'nothing')])).toMatchObject({ exit: 3, code: 'not_found' })
  })

  test('what the contract refuses is said field by field', async () => {
    const refused = await refusal(['store', 'x', '--coord', 'here'])
    expect(refused).toMatchObject({ exit: 1, code: 'invalid', errors: [{ pointer: '/coord', detail: expect.any(String) }] })
    const unknown = await refusal(['recall', 'x'], { SOMA_TOKEN: 'soma_local_1-nothing' })
    expect(unknown).toMatchObject({ exit: 4, code: 'unauthenticated', detail: expect.stringContaining('--token') })
  })

  test('what needs the database itself is refused with what to do', async () => {
    const runs = await Promise.all([['tenant', 'list'], ['key', 'create', '--tenant', 'system'], ['migrate'], ['drain'], ['start']].map((args) => refusal(args)))
    for (const run of runs) expect(run).toMatchObject({ exit: 5, code: 'unavailable', detail: expect.stringContaining(url) })
  })

  test('SIGTERM ends it with code 0; then the database is free, and its address answers nothing', async () => {
    server.kill('SIGTERM')
    expect(await once(server, 'exit')).toEqual([0, null])
    expect(readdirSync(data)).not.toContain('server.json')
    expect(await refusal(['stats', '--url', url])).toMatchObject({ exit: 5, code: 'unavailable' })
    expect(await json('tenant', 'resume', 'acme')).toMatchObject({ name: 'acme', status: 'active' })
    const { ok, checks } = await json('doctor')
    expect(ok).toBe(true)
    expect(checks.map((check: { name: string }) => check.name)).toEqual([
      'node',
      'configuration',
      'embedder',
      'data directory',
      'pgvector',
      'schema',
      'role of requests',
      'role of workers',
      'outbox',
    ])
  })
})

const postgres = requireService('POSTGRES_URL')
describe.skipIf(!postgres)(`on Postgres${postgres ? '' : ' (skipped: no POSTGRES_URL)'}`, () => {
  test('migrate, the first key, a memory, doctor', async () => {
    const scratch = `cli_${randomBytes(6).toString('hex')}`
    const admin = openPostgres({ url: postgres as string, max: 1, onError: () => {} })
    await admin.maintenance((sql) => sql.query(`create database ${scratch}`))
    const env = { POSTGRES_URL: Object.assign(new URL(postgres as string), { pathname: `/${scratch}` }).href, SOMA_DATA_DIR: join(directory, 'unused') }
    const run = async (...args: string[]) => JSON.parse((await soma([...args, '--json'], { env })).stdout)
    try {
      expect(await run('doctor')).toMatchObject({ ok: false, checks: expect.arrayContaining([expect.objectContaining({ name: 'schema', ok: false })]) })
      expect(await run('migrate')).toEqual({ from: 0, to: schemaVersion })
      const { key } = await run('key', 'create', '--scopes', 'memory:write,memory:read')
      expect(await run('store', sentence, '--token', key)).toMatchObject({ text: sentence })
      expect(await run('stats')).toMatchObject({ total_memories: 1 })
      expect(await run('doctor')).toMatchObject({ ok: true })
    } finally {
      await admin.maintenance((sql) => sql.query(`drop database ${scratch} with (force)`))
      await admin.close()
    }
  })

  test('a Postgres that is not there exits 5', async () => {
    expect(await refusal(['stats'], { POSTGRES_URL: 'postgres://soma@127.0.0.1:9/soma' })).toMatchObject({ exit: 5, code: 'unavailable' })
  })
})
