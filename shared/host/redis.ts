import type { BreakerStates } from '../breaker/index.ts'
import { type Config, redisConnection } from '../config/index.ts'
import { openRedis, type Redis } from '../redis/index.ts'
import type { Log } from '../telemetry/index.ts'

/** Redis, where REDIS_URL names one. It connects when an HTTP handler is built. @throws ConfigError */
export function redisOf(config: Config, log: Log): Redis | undefined {
  const connection = redisConnection(config)
  if (!connection) return undefined
  return openRedis(connection, {
    onAway: (reason) => log.warn({ reason }, 'Redis is away: each process counts rate limits by itself until it is back'),
    onBack: () => log.info('Redis is back'),
  })
}

/** The states of the breakers with that of Redis, whose breaker is its connection: open while it is away, for all tenants alike. */
export function withRedis(states: BreakerStates, redis: Redis | undefined): BreakerStates {
  if (!redis?.wanted()) return states
  const { ok } = redis.state()
  return {
    dependencies: [...states.dependencies, { dependency: 'redis', state: ok ? 'closed' : 'open' }],
    tenants: ok ? states.tenants : states.tenants.map(({ tenant }) => ({ tenant, state: 'open' })),
  }
}
