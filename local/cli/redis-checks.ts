import { type Config, redisConnection } from '../../shared/config/index.ts'
import { openRedis } from '../../shared/redis/index.ts'
import { type Check, check } from './checks.ts'

/** Whether Redis answers and takes the credentials; nothing where none is configured. */
export async function redisChecks(config: Config): Promise<Check[]> {
  const connection = redisConnection(config)
  if (!connection) return []
  const ask = async () => {
    const redis = openRedis(connection, { onAway: () => {}, onBack: () => {} })
    try {
      await redis.connect()
      const { ok, detail } = redis.state()
      if (!ok) throw new Error(detail)
      return `Redis at ${connection.nodes.map(({ host, port }) => `${host}:${port}`).join(', ')} answers.`
    } finally {
      await redis.close()
    }
  }
  return [await check('redis', ask, 'Requests are answered meanwhile; each process counts rate limits by itself.')]
}
