import { type ChildProcess, execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { schemaVersion } from '../../../shared/db/index.ts'
import { openEmbeddedDatabase } from '../../../shared/embedded/index.ts'
import { embeddedCopy } from '../../support/template.ts'
import { type Ended, exitOf, freePort, runProcess, startProcess, untilLine } from '../processes.ts'

/** What the rows about commands share: directories, and one server that several of them ask. */
export type Machine = ReturnType<typeof createMachine>
type Served = { url: string; child: ChildProcess; log: string[] }

export function createMachine() {
  const directory = mkdtempSync(join(tmpdir(), 'soma-guides-'))
  const children: ChildProcess[] = []
  const made = new Map<string, Promise<unknown>>()
  const once = <T>(name: string, make: () => Promise<T>): Promise<T> => {
    if (!made.has(name)) made.set(name, make())
    return made.get(name) as Promise<T>
  }
  const soma = (data: string, args: string[], more: Record<string, string> = {}): Promise<Ended> =>
    runProcess(['bin/soma.ts', ...args, '--json'], { SOMA_DATA_DIR: join(directory, data), ...more })
  async function start(data: string, args: string[], more: Record<string, string> = {}): Promise<Served> {
    const child = startProcess(['bin/soma.ts', 'start', ...args, '--json'], { SOMA_DATA_DIR: join(directory, data), ...more })
    children.push(child)
    const log: string[] = []
    child.stderr?.on('data', (chunk: Buffer) => log.push(chunk.toString()))
    return { url: JSON.parse((await untilLine(child, /^(\{"url".*\})$/))[1] as string).url, child, log }
  }
  const machine = {
    directory,
    soma,
    start,
    migrated: () => once('migrated', () => soma('base', ['migrate'])),
    server: () =>
      once('server', async () => {
        await embeddedCopy(join(directory, 'served'))
        return start('served', [], { HOST: '127.0.0.1', PORT: await freePort() })
      }),
    /** A directory whose server was killed between its stores and their publication, after one consumer worked there once. */
    caughtUp: () =>
      once('caughtUp', async () => {
        await machine.migrated()
        // a migrated directory saves the time that making one takes
        cpSync(join(directory, 'base'), join(directory, 'killed'), { recursive: true })
        const { url, child } = await start('killed', ['--port', '0'])
        await postBulk(url, 0, 200)
        child.kill('SIGKILL')
        await exitOf(child)
        const worked = await soma('killed', ['worker', 'index-vectors', '--once'])
        const database = await openEmbeddedDatabase({ dataDir: join(directory, 'killed') })
        const of = (table: string) => `(select count(*)::integer from ${table} t join memories m on m.id = t.id where m.coord like '%,0,0')`
        const [counts] = await database.maintenance((sql) =>
          sql.query<{ events: number; vectors: number; unsent: number }>(`select ${of('memory_events')} as events,
            (select count(*)::integer from vectors v join memories m on m.memory_key = v.memory_key where m.coord like '%,0,0') as vectors,
            (select count(*)::integer from outbox where status <> 'sent') as unsent`),
        )
        await database.close()
        return { worked, counts }
      }),
    /** A directory with a memory in it, and an archive of it. */
    backedUp: () =>
      once('backedUp', async () => {
        await embeddedCopy(join(directory, 'kept'))
        const stored = await soma('kept', ['store', 'carried away'])
        const archive = join(directory, 'archive')
        const { code, stderr } = await soma('kept', ['backup', '--out', archive])
        expect(code, stderr).toBe(0)
        return { archive, id: JSON.parse(stored.stdout).id as string }
      }),
    close() {
      for (const child of children) child.kill('SIGKILL')
      rmSync(directory, { recursive: true, force: true })
    },
  }
  return machine
}

async function postBulk(url: string, from: number, size: number): Promise<void> {
  const items = Array.from({ length: size }, (_, i) => ({ coord: `${from + i},0,0`, payload: { text: `item ${from + i}` }, type: 'episodic' }))
  const response = await fetch(`${url}/store_bulk`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ items }) })
  expect(await response.json()).toMatchObject({ stored: size })
}

const migrates = async (machine: Machine) => {
  const { code, stdout } = await machine.migrated()
  expect({ code, report: JSON.parse(stdout) }).toEqual({ code: 0, report: { from: 0, to: schemaVersion } })
}
const preflight = async (machine: Machine) => {
  const { url } = await machine.server()
  const { code, stdout } = await machine.soma('none', ['preflight', '--url', url])
  expect({ code, ok: JSON.parse(stdout).ok }, stdout).toEqual({ code: 0, ok: true })
}
const findsServer = async (machine: Machine) => {
  const { url } = await machine.server()
  const { code, stdout } = await machine.soma('none', ['stats'], { SOMA_URL: url })
  expect({ code, stats: JSON.parse(stdout) }).toEqual({ code: 0, stats: { total_memories: expect.any(Number), episodic: expect.any(Number), semantic: 0, namespace: 'default' } })
}
const worksOnce = async (machine: Machine, handler: string) => {
  const { code, stdout } = await machine.soma('killed', ['worker', handler, '--once'])
  expect({ code, report: JSON.parse(stdout) }).toEqual({ code: 0, report: { handler, runs: 1, done: 0, failed: 0 } })
}

/** Rows about commands, run as processes on the embedded engine. */
export const processRows: Record<string, (machine: Machine) => Promise<unknown>> = {
  A14: findsServer,
  A22: migrates,
  async F1(machine) {
    const stored = await machine.soma('base', ['store', 'kept over a restart'])
    const found = await machine.soma('base', ['recall', 'restart'])
    expect(JSON.parse(found.stdout).results[0].id).toBe(JSON.parse(stored.stdout).id)
  },
  async F7(machine) {
    const { archive, id } = await machine.backedUp()
    const restored = await machine.soma('restored', ['restore', archive])
    expect(restored.code, restored.stderr).toBe(0)
    expect(JSON.parse((await machine.soma('restored', ['get', id])).stdout)).toMatchObject({ id, text: 'carried away' })
  },
  F8: migrates,
  async F9(machine) {
    await machine.migrated()
    const status = await machine.soma('base', ['migrate', '--status'])
    expect({ code: status.code, current: JSON.parse(status.stdout).current }).toEqual({ code: 0, current: true })
    expect((await machine.soma('new', ['migrate', '--status'])).code).toBe(1)
  },
  F13: preflight,
  async F16(machine) {
    const { url, log } = await machine.server()
    await fetch(`${url}/store`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"coord":"99","payload":{"text":"hushhush"}}' })
    await expect.poll(() => log.join('')).toContain('"endpoint":"/store"')
    const lines = log.join('').trimEnd().split('\n')
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ level: expect.any(Number), time: expect.any(String) })
    expect(log.join('')).not.toContain('hushhush')
  },
  async F23(machine) {
    const { url } = await machine.server()
    const hasRequests = spawnSync('python3', ['-c', 'import requests']).status === 0
    const script = [
      'import sys, uuid, requests',
      'run_id = uuid.uuid4().hex',
      'items = [{"coord": "0,0,0", "payload": {"text": f"item {i}", "run_id": run_id}, "type": "episodic"} for i in range(50)]',
      'resp = requests.post(sys.argv[1] + "/store_bulk", json={"items": items})',
      'print(resp.status_code, resp.text)',
    ].join('\n')
    if (hasRequests) {
      expect(execFileSync('python3', ['-c', script, url], { encoding: 'utf8' })).toMatch(/^200 \{"stored":50,"ids":\[/)
      return
    }
    const items = Array.from({ length: 50 }, (_, i) => ({ coord: '0,0,0', payload: { text: `item ${i}`, run_id: 'r' }, type: 'episodic' }))
    const response = await fetch(`${url}/store_bulk`, { method: 'POST', headers: { 'content-type': 'application/json', accept: '*/*' }, body: JSON.stringify({ items }) })
    expect({ status: response.status, body: await response.json() }).toMatchObject({ status: 200, body: { stored: 50 } })
  },
  async F25(machine) {
    await machine.backedUp()
    const { code, stdout } = await machine.soma('kept', ['verify-index'])
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('hash-trigram-1') })
  },
  async F28(machine) {
    const { worked, counts } = await machine.caughtUp()
    expect({ code: worked.code, report: JSON.parse(worked.stdout) }).toMatchObject({ code: 0, report: { handler: 'index-vectors', failed: 0 } })
    expect(counts?.vectors).toBe(200)
  },
  async F31(machine) {
    await machine.migrated()
    const { stdout } = await machine.soma('base', ['doctor'])
    expect(JSON.parse(stdout).checks).toContainEqual({ name: 'outbox', ok: true, detail: expect.stringMatching(/^\d+ rows pending, none dead\.$/) })
  },
  async K5(machine) {
    const { url, child } = await machine.start('free', ['--port', '0'])
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    child.kill('SIGTERM')
    expect(await exitOf(child)).toBe(0)
  },
  async K20(machine) {
    const { id } = await machine.backedUp()
    const file = join(machine.directory, 'moved.ndjson')
    const out = await machine.soma('kept', ['export', '--all-namespaces', '--out', file])
    const back = await machine.soma('moved', ['import', file])
    expect([out.code, back.code]).toEqual([0, 0])
    expect(JSON.parse((await machine.soma('moved', ['get', id])).stdout)).toMatchObject({ id, text: 'carried away' })
  },
  P3: preflight,
  async P12(machine) {
    const file = join(machine.directory, '.env.production')
    writeFileSync(file, 'SOMABRAIN_PORT=9696\nSOMABRAIN_MODE=full-local\nSOMABRAIN_STRICT_REAL=1\n')
    const command = `export $(cat '${file}' | xargs); exec node_modules/.bin/node bin/soma.ts doctor --json`
    const { stdout } = spawnSync('bash', ['-c', command], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, HOME: process.env.HOME, SOMA_DATA_DIR: join(machine.directory, 'absent') },
    })
    const { ok, checks } = JSON.parse(stdout)
    expect(ok).toBe(true)
    const { detail } = checks.find((one: { name: string }) => one.name === 'configuration')
    for (const said of ['SOMABRAIN_PORT is an older name: set PORT.', 'SOMABRAIN_MODE is an older name: set STAGE.', 'SOMABRAIN_STRICT_REAL is set']) expect(detail).toContain(said)
  },
  P13: migrates,
  async P14(machine) {
    const { url } = await machine.server()
    expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ status: 'ok' })
  },
  async P15(machine) {
    expect((await machine.caughtUp()).counts?.unsent).toBe(0)
    await worksOnce(machine, 'drain-outbox')
  },
  async P16(machine) {
    expect((await machine.caughtUp()).counts?.events).toBe(200)
    await worksOnce(machine, 'project-events')
  },
  async P27(machine) {
    const out = join(machine.directory, 'profile')
    const { code, stdout } = await machine.soma('none', ['profile', '--seconds', '5', '--out', out])
    expect({ code, files: JSON.parse(stdout).files }).toEqual({ code: 0, files: [join(out, 'soma.cpuprofile'), join(out, 'soma.heapprofile')] })
  },
  R1: migrates,
  async R2(machine) {
    const { code, stdout } = await machine.soma('none', ['doctor'], { POSTGRES_URL: 'postgres://soma@127.0.0.1:9/soma' })
    expect({ code, failed: JSON.parse(stdout).checks.at(-1) }).toMatchObject({ code: 1, failed: { name: 'postgres', ok: false } })
  },
  R6: findsServer,
}
