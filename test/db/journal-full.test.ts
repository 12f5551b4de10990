import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RunningPostgres } from '../../local/services/postgres.ts'
import { readJournal } from '../../shared/journal/index.ts'
import { exitOf, freePort, startProcess, untilLine } from '../http/processes.ts'
import { openDurable } from '../support/durable.ts'
import type { Caller, Product } from '../support/engines.ts'
import { requireService } from '../support/services.ts'
import { kill, type Server, startServer, storedTexts } from './journal-server.ts'

const home = mkdtempSync(join(tmpdir(), 'soma-journal-'))
const disk = join(home, 'disk')
/** A disk of 256 KiB, where we may have one. */
const mounted = (() => {
  if (!requireService('POSTGRES_URL')) return false
  try {
    execFileSync('sh', ['-c', 'mkdir "$0" && mount -t tmpfs -o size=256k tmpfs "$0"', disk], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

describe.skipIf(!requireService('POSTGRES_URL'))('a journal beside a Postgres that goes', { timeout: 180_000 }, () => {
  let postgres: RunningPostgres
  let product: Product
  let ada: Caller
  const ending: (() => Promise<unknown>)[] = []
  beforeAll(async () => {
    const opened = await openDurable()
    postgres = opened.postgres
    product = opened.product
    ending.push(opened.close)
    ada = await product.tenant()
  }, 120_000)
  afterAll(async () => {
    for (const close of ending.reverse()) await close()
    if (mounted) execFileSync('umount', ['-l', disk])
    rmSync(home, { recursive: true, force: true })
  })

  test.skipIf(!mounted)('on a disk that is full refuses with Retry-After, keeps what it has, and empties itself when Postgres is back', async () => {
    const journal = join(disk, 'journal')
    const server: Server = await startServer(product, journal, { SOMA_DATA_DIR: join(home, 'data') })
    ending.push(() => kill(server))
    const store = (n: number) => server.call(ada.key, 'POST', '/v1/memories', { text: `${n} ${'x'.repeat(4_000)}` })
    expect((await store(0)).status).toBe(201)
    await postgres.down('fast')
    const kept: number[] = [0]
    let refused = 0
    for (let n = 1; refused < 5; n++) {
      const { status, headers } = await store(n)
      if (status === 202) kept.push(n)
      else refused += 1
      if (status !== 202) expect([status, Number(headers.get('retry-after'))]).toEqual([503, 30])
    }
    expect(kept.length).toBeGreaterThan(20)
    // not a byte is left for marks either
    const { bavail, bsize } = statfsSync(disk)
    if (bavail > 0) writeFileSync(join(disk, 'filler'), Buffer.alloc(bavail * bsize))
    expect((await readJournal(journal).state()).pending).toBe(kept.length - 1)
    await postgres.up()
    await expect.poll(async () => (await storedTexts(product, ada.tenantId)).size, { timeout: 60_000 }).toBe(kept.length)
    await expect.poll(async () => (await readJournal(journal).segments()).length, { timeout: 60_000 }).toBe(0)
    const texts = await storedTexts(product, ada.tenantId)
    expect([...texts].map(([text, { ids }]) => [Number(text.split(' ')[0]), ids.length]).sort(([a = 0], [b = 0]) => a - b)).toEqual(kept.map((n) => [n, 1]))
    await kill(server)
  })

  test('of a container is told of by the other tasks that see its directory; the same directory for two is refused', async () => {
    const { POSTGRES_URL, SIGNING_KEY } = product.local.config as unknown as Record<string, string>
    const journal = join(home, 'tasks')
    const task = async (name: string, port: string) => {
      const env = { STAGE: 'dev', POSTGRES_URL, SIGNING_KEY, JOURNAL_DIR: journal, SOMA_DATA_DIR: join(home, 'tasks-data'), PORT: port } as Record<string, string>
      const child = startProcess([`functions/${name}/task.ts`], env)
      ending.push(async () => child.kill('SIGKILL'))
      return child
    }
    const [storing, telling, measuring] = [await freePort(), await freePort(), await freePort()]
    const store = await task('store', storing)
    await untilLine(store, /"listening"/)
    const [operations, status] = [await task('operations', telling), await task('status', measuring)]
    await Promise.all([untilLine(operations, /"listening"/), untilLine(status, /"listening"/)])
    const second = await task('store', await freePort())
    expect(await exitOf(second)).toBe(1)

    const headers = { authorization: `Bearer ${ada.key}`, 'content-type': 'application/json' }
    const send = (text: string) => fetch(`http://127.0.0.1:${storing}/v1/memories`, { method: 'POST', headers, body: JSON.stringify({ text }) })
    const tell = (id: string) => fetch(`http://127.0.0.1:${telling}/v1/operations/${id}`, { headers })
    expect((await send('direct')).status).toBe(201)
    // it has seen the key, so it may answer to it without the database
    expect((await tell('01a1fd1a-0000-7000-8000-000000000001')).status).toBe(404)
    await postgres.down('fast')
    const kept = await send('kept by a task')
    expect(kept.status).toBe(202)
    const { operation } = (await kept.json()) as { operation: string }
    expect(await (await tell(operation)).json()).toMatchObject({ id: operation, state: 'pending' })
    const metrics = await (await fetch(`http://127.0.0.1:${measuring}/metrics`)).text()
    expect(metrics).toMatch(/^journal_pending 1$/m)
    expect(metrics).toMatch(/^journal_oldest_seconds \d/m)
    await postgres.up()
    await expect.poll(async () => ((await (await tell(operation)).json()) as { state?: string }).state, { timeout: 60_000 }).toBe('succeeded')
    expect((await storedTexts(product, ada.tenantId)).get('kept by a task')?.ids).toHaveLength(1)
    store.kill('SIGTERM')
    expect(await exitOf(store)).toBe(0)
  })
})
