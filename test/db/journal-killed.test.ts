import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RunningPostgres } from '../../local/services/postgres.ts'
import { readJournal } from '../../shared/journal/index.ts'
import { openDurable } from '../support/durable.ts'
import { asAdmin, type Caller, type Product } from '../support/engines.ts'
import { requireService } from '../support/services.ts'
import { kill, type Server, startServer, storedTexts } from './journal-server.ts'

/** What one request was answered, if it was. */
type Outcome = { status: number | undefined; operation?: string; id?: string }

describe.skipIf(!requireService('POSTGRES_URL'))('kill -9 with a journal', { timeout: 240_000 }, () => {
  let postgres: RunningPostgres
  let product: Product
  let server: Server
  let journal: string
  let ada: Caller
  const ending: (() => Promise<unknown>)[] = []
  beforeAll(async () => {
    const opened = await openDurable()
    postgres = opened.postgres
    product = opened.product
    ending.push(opened.close)
    const directory = await mkdtemp(join(tmpdir(), 'soma-journal-'))
    ending.push(() => rm(directory, { recursive: true, force: true }))
    journal = join(directory, 'journal')
    server = await startServer(product, journal)
    ending.push(() => kill(server))
    ada = await product.tenant()
  }, 120_000)
  afterAll(async () => {
    for (const close of ending.reverse()) await close()
  })

  test('of the server amid appends and amid their replay, and of Postgres: nothing that was answered is lost, nothing is there twice', async () => {
    const answers = new Map<string, Outcome>()
    let storing = true
    async function send(text: string, key?: string): Promise<Outcome> {
      try {
        const { status, body } = await server.call(ada.key, 'POST', '/v1/memories', { text }, key === undefined ? {} : { 'Idempotency-Key': key })
        return { status, operation: body.operation, id: body.id }
      } catch {
        return { status: undefined } // the server is gone, before or after it has kept it
      }
    }
    const pause = () => new Promise((resolve) => setTimeout(resolve, 20))
    /** One client repeats a request with its key until it is answered; the other sends each once, and does not know what became of some. */
    async function client(name: string, keyed: boolean): Promise<void> {
      for (let i = 0; storing; i++) {
        const text = `${name} ${i}`
        for (let done = false; !done && storing; ) {
          const outcome = await send(text, keyed ? text : undefined)
          answers.set(text, outcome)
          done = !keyed || (outcome.status !== undefined && outcome.status < 300)
          if (!done) await pause()
        }
        await pause()
      }
    }
    const kept = () => [...answers.values()].filter(({ status }) => status === 202).length
    const storedNow = async () => (await asAdmin(product.adminUrl as string, (admin) => admin.query('select from memories where tenant_id = $1', [ada.tenantId]))).rowCount ?? 0
    const clients = Array.from({ length: 8 }, (_, n) => client(`${n % 2 ? 'keyed' : 'once'} ${n}`, n % 2 === 1))

    const direct = () => [...answers.values()].filter(({ status }) => status === 201).length
    for (const round of [1, 2]) {
      // a server takes a key without the database only once it has verified it
      const before201 = direct()
      await expect.poll(() => direct() - before201, { timeout: 60_000 }).toBeGreaterThan(20)
      await postgres.down(round === 1 ? 'immediate' : 'fast')
      const before = kept()
      await expect.poll(() => kept() - before, { timeout: 60_000 }).toBeGreaterThan(150)
      // requests are on their way at this moment: some are on the disk and not answered
      await kill(server)
      await postgres.up()
      const stored = await storedNow()
      server = await startServer(product, journal)
      await expect.poll(storedNow, { timeout: 60_000, interval: 5 }).toBeGreaterThan(stored + 20)
      await kill(server)
      expect((await readJournal(journal).state()).pending, 'it was killed amid the replay').toBeGreaterThan(0)
      server = await startServer(product, journal)
    }
    storing = false
    await Promise.all(clients)
    await expect.poll(async () => (await readJournal(journal).state()).pending, { timeout: 60_000 }).toBe(0)

    const texts = await storedTexts(product, ada.tenantId)
    const answered = [...answers].filter(([, { status }]) => status === 200 || status === 201 || status === 202)
    const lost = answered.filter(([text]) => !texts.has(text))
    const doubled = [...texts].filter(([, { ids }]) => ids.length !== 1)
    expect({ lost, doubled }).toEqual({ lost: [], doubled: [] })
    expect([...texts.keys()].filter((text) => !answers.has(text))).toEqual([])
    const operations = await asAdmin(product.adminUrl as string, (admin) =>
      admin.query<{ id: string; state: string; memory: string }>(`select operation_id as id, state, result->>'id' as memory from operations where tenant_id = $1`, [ada.tenantId]),
    )
    const results = new Map(operations.rows.map((row) => [row.id, row]))
    for (const [text, { operation, id }] of answered)
      expect(operation ? results.get(operation) : { state: 'succeeded', memory: id }, text).toMatchObject({ state: 'succeeded', memory: texts.get(text)?.ids[0] })
    expect(answered.filter(([, { status }]) => status === 202).length).toBeGreaterThan(300)
    expect((await readJournal(journal).state()).damaged).toBe(0)
  })
})
