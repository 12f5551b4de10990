import { type IRateLimiterStoreOptions, RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import type { Rate } from '../config/index.ts'
import { AppError } from '../problem/index.ts'
import type { Standing } from '../quota/index.ts'
import type { Redis } from '../redis/index.ts'
import type { Caller } from '../tenant/index.ts'

/** How the caller stands with each limit that was asked; `refused` says that the last of them is used up. */
export type Taken = { standings: Standing[]; refused?: AppError }
export type Limiter = {
  /** Counts a request of this key and tenant. */
  request(caller: Caller): Promise<Taken>
  /** Counts a call that stores many memories. */
  batch(caller: Caller): Promise<Taken>
}
type Options = {
  redis: Redis | undefined
  /** Begins every key in Redis: the installation and its generation, so that no other counts on it. */
  prefix: () => Promise<string>
  onRefused: (limit: string) => void
}
type Counter = { consume(key: string): Promise<RateLimiterRes> }

/** Rates are few: the defaults and what tenants were given. Beyond, counting in the process begins anew. */
const mostCounters = 1_000

/**
 * Counts in windows: in Redis for all processes together, and in the process where there is none, or while it is away. Then each process allows the
 * whole limit by itself. A request that its key's limit refuses does not count on its tenant's.
 */
export function createLimiter({ redis, prefix, onRefused }: Options): Limiter {
  const counters = new Map<string, Counter>()

  function counterOf(name: string, { count, seconds }: Rate): Counter {
    const id = `${name} ${count} ${seconds}`
    const known = counters.get(id)
    if (known) return known
    if (counters.size >= mostCounters) counters.clear()
    const options = { points: count, duration: seconds, keyPrefix: '' }
    const local = new RateLimiterMemory(options)
    const made = redis ? new RateLimiterRedis({ ...options, ...storeOf(redis, count), insuranceLimiter: local }) : local
    counters.set(id, made)
    return made
  }

  async function take(name: string, rate: Rate, key: string): Promise<{ standing: Standing; allowed: boolean }> {
    const counter = counterOf(name, rate)
    const at = (counted: RateLimiterRes, allowed: boolean) => ({
      allowed,
      standing: {
        name,
        limit: rate.count,
        seconds: rate.seconds,
        remaining: allowed ? counted.remainingPoints : 0,
        resetSeconds: Math.max(1, Math.ceil(counted.msBeforeNext / 1000)),
      },
    })
    try {
      return at(await counter.consume(key), true)
    } catch (refusal) {
      if (refusal instanceof RateLimiterRes) return at(refusal, false)
      throw refusal
    }
  }

  async function takeAll(wanted: readonly [name: string, rate: Rate | undefined, whose: string][], what: string): Promise<Taken> {
    const limits = wanted.filter((one): one is [string, Rate, string] => one[1] !== undefined)
    if (!limits.length) return { standings: [] }
    await redis?.connect()
    const begins = redis ? await prefix() : ''
    const standings: Standing[] = []
    for (const [name, rate, whose] of limits) {
      const { standing, allowed } = await take(name, rate, `${begins}${name}:${rate.seconds}:${whose}`)
      standings.push(standing)
      if (allowed) continue
      onRefused(name)
      const wait = standing.resetSeconds as number
      const detail = `${what[0]?.toUpperCase()}${what.slice(1)} of this ${name === 'key' ? 'key' : 'tenant'} are limited to ${rate.count} in ${rate.seconds} s: wait ${wait} s.`
      return { standings, refused: new AppError('rate_limited', detail, { retryAfterSeconds: wait }) }
    }
    return { standings }
  }

  return {
    request: ({ tenantId, actor, limits }) =>
      takeAll(
        [
          ['key', limits.key_request_rate, `${tenantId}:${actor}`],
          ['tenant', limits.request_rate, `${tenantId}`],
        ],
        'requests',
      ),
    batch: ({ tenantId, limits }) => takeAll([['batches', limits.batch_rate, `${tenantId}`]], 'batches'),
  }
}

/** A key that is over its limit is refused in the process until its window ends: whoever asks too often does not burden Redis. */
function storeOf(redis: Redis, points: number): Pick<IRateLimiterStoreOptions, 'storeClient' | 'inMemoryBlockOnConsumed'> & { rejectIfRedisNotReady: true } {
  return { storeClient: redis.client, rejectIfRedisNotReady: true, inMemoryBlockOnConsumed: points + 1 }
}
