import { randomInt } from 'node:crypto'
import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { type Operation, operations } from '../../shared/http/index.ts'
import { countRows, leaks, systemKey } from '../http/checks.ts'
import { described, expectDescribed, fitsBody } from '../support/document.ts'
import { type Answer, type Caller, describeEngines, type Product } from '../support/engines.ts'
import { inFiles } from '../support/transfers.ts'
import { type FuzzRequest, requestsOf } from './requests.ts'

const engines = ['pglite', 'postgres 18'] as const
const total = process.env.SOMA_FULL === '1' ? 10_000 : 600
/** What takes nothing has little to go wrong. */
const shareOf = ({ scope }: Operation) => (scope === undefined ? 0.1 : 1)
const shares = operations.reduce((sum, operation) => sum + shareOf(operation), 0)
const runsOf = (operation: Operation) => Math.ceil((total * shareOf(operation)) / shares / engines.length)
/** A failure says which seed and path repeat it: FUZZ_SEED=… FUZZ_PATH=… npm test -- --project fuzz. */
const seed = Number(process.env.FUZZ_SEED ?? randomInt(2 ** 31))
const path = process.env.FUZZ_PATH
/** Far beyond what any request here takes: it only tells a hang from an answer. */
const hangMs = 60_000
const canary = 'canary-of-the-other-tenant-4k7'

describeEngines(
  `fuzz, seed ${seed}`,
  (product) => {
    let world: World
    beforeAll(async () => {
      world = await createWorld(product())
    })

    test.each(operations)('$id answers as the document says, and what it refuses changes nothing', async (operation) => {
      await world.refill()
      const property = fc.asyncProperty(requestsOf(operation), (request) => world.check(operation, request))
      await fc.assert(property, { seed, numRuns: runsOf(operation), ...(path ? { path } : {}), endOnFailure: path !== undefined })
    })
  },
  [...engines],
  inFiles,
)

type World = { refill(): Promise<void>; check(operation: Operation, request: FuzzRequest): Promise<void> }

async function createWorld(product: Product): Promise<World> {
  const callers = { own: await product.tenant(), reader: await product.tenant(['memory:read']), platform: await systemKey(product), nobody: null }
  const other = await product.tenant()
  const theirs = await store(product, other, canary)
  let own = { memory: '', key: '' }
  let rows: Record<string, number> | undefined

  /** A memory and a key for the paths; what a request removed is made anew for the next operation. */
  async function refill(): Promise<void> {
    const key = await product.call(callers.own, 'POST', '/v1/keys', { name: 'to be revoked', scopes: ['memory:read'] })
    own = { memory: await store(product, callers.own, 'tea'), key: key.body.id }
    rows = undefined
  }

  function pathOf({ path }: Operation, request: FuzzRequest): string {
    const names = path.startsWith('/v1/keys') ? [own.key, 'nobodyskey00'] : path.startsWith('/v1/tenants') ? ['default', 'nobody'] : [own.memory, theirs]
    return request.path.replaceAll('{own}', names[0] as string).replaceAll('{other}', names[1] as string) + request.search
  }

  return {
    refill,
    async check(operation, request) {
      if (!rows) {
        await product.settle()
        rows = await countRows(product)
      }
      const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, value.replaceAll('{tenant}', callers.own.tenant)]))
      const asked = product.call(callers[request.as], operation.method, pathOf(operation, request), request.body, headers)
      const answer = await orHang(asked, `${operation.id} ${JSON.stringify(request).slice(0, 2000)}`)
      expectDescribed(operation, answer)
      expect(answer.status).toBeLessThan(500)
      expect(answer.text).not.toContain(canary)
      if (answer.status >= 400) {
        expect(answer.text).not.toMatch(leaks)
        expect(answer.body.request_id).toBe(answer.headers.get('x-request-id'))
        expect(await countRows(product), `after ${answer.status} of ${operation.id}`).toEqual(rows)
        return
      }
      if (request.path.includes('{other}')) expect(operation.path).toMatch(/^\/v1\/(tenants|keys)/)
      expectTaken(operation, request)
      // what was written is indexed and counted before the next request; reads leave the rows as they are, but an export is a row of the log
      if (operation.method !== 'GET' || operation.id === 'exportMemories') rows = undefined
      if (operation.method === 'DELETE') await refill()
    },
  }
}

/** What was taken is what the document says is taken. Items of a bulk that is not atomic are refused one by one. */
function expectTaken(operation: Operation, { body, search }: FuzzRequest): void {
  for (const { name, in: place, schema } of described(operation).parameters) {
    const given = place === 'query' && schema.type === 'integer' ? new URLSearchParams(search).get(name) : null
    if (given !== null) expect(given, `${operation.id} took ${search}`).toMatch(/^-?\d+$/)
  }
  // lines are refused one by one
  if (!operation.body || operation.bodyType || body === undefined) return
  const value = JSON.parse(new TextDecoder().decode(typeof body === 'string' ? Buffer.from(body) : body))
  if (operation.id === 'storeMemories' && value.atomic === false) return
  expect(fitsBody(operation, value), `${operation.id} took ${JSON.stringify(value).slice(0, 500)}`).toBe(true)
}

async function store(product: Product, caller: Caller, text: string): Promise<string> {
  const { body } = await product.call(caller, 'POST', '/v1/memories', { text, user_id: 'u' })
  return body.id
}

function orHang(asked: Promise<Answer>, what: string): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined
  const hang = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${hangMs} ms: ${what}`)), hangMs)
  })
  return Promise.race([asked, hang]).finally(() => clearTimeout(timer))
}
