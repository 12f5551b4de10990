import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { openBroker } from './broker.ts'
import { count, median, ms, p95, printTable, timed } from './figures.ts'
import { createHttp, type Http, HttpError } from './http.ts'
import { openProduct, type Product } from './product.ts'
import type { Options } from './run.ts'
import { queryFor, textOf } from './texts.ts'

const ordinary = 9
/** Requests a second of an ordinary tenant: half of them store, half recall. */
const perSecond = 4
const abuse = 100
/** What a tenant may do, well above what an ordinary one does. */
const limit = '20/s'
const mostInFlight = 64
const memories = 1_000

type Times = { store: number[]; recall: number[] }

/**
 * Nine tenants at an ordinary rate, alone and then beside a tenth who sends a hundred times as much, through a real Kafka, with RATE_LIMIT_TENANT set: what becomes of the
 * nine's answers.
 */
export async function neighbours(options: Options, cleanUp: AsyncDisposableStack): Promise<void> {
  const broker = await openBroker(cleanUp)
  const product = await openProduct(false, cleanUp, { ...broker.environment, AUTH_MODE: 'mixed', RATE_LIMIT_TENANT: limit })
  const seconds = options.short ? 10 : 60
  const tenants: Http[] = []
  for (let n = 0; n <= ordinary; n++) {
    const http = createHttp(product.url, await tenantKey(product, `neighbour-${n}`))
    cleanUp.defer(async () => http.close())
    tenants.push(http)
  }
  const [abuser, ...others] = tenants as [Http, ...Http[]]
  for (const http of tenants) await http.post('/v1/memories/bulk', { items: Array.from({ length: options.short ? 100 : memories / 2 }, (_, i) => ({ text: textOf(i) })) })
  await allTogether(others, 5)

  const alone = await allTogether(others, seconds)
  const noise = startAbuse(abuser)
  const beside = await allTogether(others, seconds)
  const { sent, limited, failed } = await noise.end()
  printTable(
    `${ordinary} tenants at ${perSecond} requests a second each, alone and beside one who sends ${count(sent / seconds)} a second (${count((100 * limited) / sent)} % of them answered 429, ${count(failed)} failed); RATE_LIMIT_TENANT=${limit}`,
    ['of the nine', 'n', 'alone p50', 'p95', 'beside p50', 'p95', 'p95 to alone (aim: 2)'],
    (['store', 'recall'] as const).map((kind) => [
      kind,
      count(beside[kind].length),
      ms(median(alone[kind])),
      ms(p95(alone[kind])),
      ms(median(beside[kind])),
      ms(p95(beside[kind])),
      `${(p95(beside[kind]) / p95(alone[kind])).toFixed(2)}×`,
    ]),
  )
}

/** A tenant with a key of its own, as the tenants API makes them. */
async function tenantKey({ sql }: Product, name: string): Promise<string> {
  const keyId = randomBytes(6).toString('hex')
  const secret = randomBytes(32).toString('hex')
  const hash = createHash('sha256').update(secret).digest('hex')
  const [row] = await sql(
    `with made as (insert into tenants (name) values ('${name}') returning tenant_id)
     insert into api_keys (tenant_id, key_id, secret_hash, scopes) select tenant_id, '${keyId}', '\\x${hash}', array['memory:read', 'memory:write'] from made returning tenant_id`,
  )
  return `soma_local_${Number(row?.tenant_id).toString(36)}-${keyId}_${secret}`
}

async function allTogether(tenants: Http[], seconds: number): Promise<Times> {
  const times: Times = { store: [], recall: [] }
  await Promise.all(tenants.map((http, tenant) => steadily(http, tenant, seconds, times)))
  return times
}

/** At its rate, whether the last was answered or not; tenants begin at different moments. */
async function steadily(http: Http, tenant: number, seconds: number, times: Times): Promise<void> {
  const running: Promise<unknown>[] = []
  const began = performance.now() + (tenant * 1000) / perSecond / ordinary
  for (let i = 0; i < seconds * perSecond; i++) {
    await sleep(Math.max(0, began + (i * 1000) / perSecond - performance.now()))
    const kind = i % 2 === 0 ? 'store' : 'recall'
    const request =
      kind === 'store' ? http.post('/v1/memories', { text: textOf(memories + tenant * 10_000 + i) }) : http.post('/v1/recall', { query: queryFor(i % 100), top_k: 10 })
    running.push(timed(() => request).then((time) => times[kind].push(time)))
  }
  await Promise.all(running)
}

function startAbuse(http: Http) {
  let ended = false
  let [sent, limited, failed, inFlight] = [0, 0, 0, 0]
  const going = (async () => {
    const began = performance.now()
    for (let i = 0; !ended; i++) {
      await sleep(Math.max(0, began + (i * 1000) / (perSecond * abuse) - performance.now()))
      if (inFlight >= mostInFlight) continue
      inFlight += 1
      sent += 1
      const request = i % 2 === 0 ? http.post('/v1/memories', { text: textOf(500_000 + i) }) : http.post('/v1/recall', { query: queryFor(i % 100), top_k: 10 })
      request
        .catch((error) => {
          if (error instanceof HttpError && error.status === 429) limited += 1
          else failed += 1
        })
        .finally(() => {
          inFlight -= 1
        })
    }
  })()
  return {
    async end() {
      ended = true
      await going
      return { sent, limited, failed }
    },
  }
}
