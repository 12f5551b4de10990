export { openRedis, type Redis, type RedisClient, type RedisEvents } from './open.ts'
