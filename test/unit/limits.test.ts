import { expect, test } from 'vitest'
import { parseConfig, parseRate, redisConnection } from '../../shared/config/index.ts'
import { rateLimitFields } from '../../shared/quota/index.ts'
import { defaultLimits, limitsOf } from '../../shared/tenant/index.ts'

test('REDIS_URL names a node, or a cluster, with or without TLS', () => {
  const read = (REDIS_URL: string) => redisConnection(parseConfig({ REDIS_URL }))
  expect(read('redis://localhost')).toMatchObject({ nodes: [{ host: 'localhost', port: 6379 }], cluster: false, tls: false, username: undefined, password: undefined, db: 0 })
  expect(read('redis://sb_redis:6379/3')).toMatchObject({ nodes: [{ host: 'sb_redis', port: 6379 }], db: 3 })
  expect(read('rediss://ada:p%40ss@[::1]:7000')).toMatchObject({ nodes: [{ host: '::1', port: 7000 }], tls: true, username: 'ada', password: 'p@ss' })
  expect(read('redis://:secret@a:1, redis://b:2')).toMatchObject({
    nodes: [
      { host: 'a', port: 1 },
      { host: 'b', port: 2 },
    ],
    cluster: true,
    password: 'secret',
  })
  expect(read('rediss://a:1?cluster=true')).toMatchObject({ cluster: true, tls: true })
})

test.each(['localhost:6379', 'http://a', 'redis://a,rediss://b', 'redis://a/x', 'redis://a?db=1', 'redis://a:1/1,redis://b:2', 'redis://'])(
  'REDIS_URL is refused as %s, without being shown',
  (REDIS_URL) => {
    expect(() => parseConfig({ REDIS_URL })).toThrow(/REDIS_URL got a value: takes redis:\/\/user:password@host:port/)
  },
)

test('a CA without TLS is refused', () => {
  expect(() => parseConfig({ REDIS_URL: 'redis://a', REDIS_SSL_CA_LOCATION: '/ca' })).toThrow(/REDIS_SSL_CA_LOCATION is set, but the connection has no TLS/)
})

test('a rate is a number a window', () => {
  expect(parseRate('100/s')).toEqual({ count: 100, seconds: 1 })
  expect(parseRate('3000/m')).toEqual({ count: 3000, seconds: 60 })
  expect(parseRate('500/10s')).toEqual({ count: 500, seconds: 10 })
  expect(parseRate('2/24h')).toEqual({ count: 2, seconds: 86_400 })
  expect(parseRate('7')).toEqual({ count: 7, seconds: 1 })
  for (const wrong of ['', '0/s', '1/0s', '-1/s', '1/d', '1/25h', 'many', '1 per s']) expect(parseRate(wrong)).toBeUndefined()
  expect(() => parseConfig({ RATE_LIMIT_TENANT: 'many' })).toThrow(/RATE_LIMIT_TENANT got "many": takes a number a window, such as 100\/s/)
  expect(() => parseConfig({ MAX_BATCH_SIZE: '501' })).toThrow(/MAX_BATCH_SIZE got "501"/)
})

test('a tenant’s own limits stand before the defaults, and unlimited is none', () => {
  const defaults = defaultLimits(parseConfig({ RATE_LIMIT_TENANT: '10/s', QUOTA_MEMORIES: '100', MAX_BATCH_SIZE: '50' }))
  expect(limitsOf(defaults, {})).toEqual({ request_rate: { count: 10, seconds: 1 }, memories: 100, batch_size: 50 })
  expect(limitsOf(defaults, { memories: 'unlimited', request_rate: '5/m', bytes: 0 })).toEqual({ request_rate: { count: 5, seconds: 60 }, batch_size: 50, bytes: 0 })
  expect(defaultLimits(parseConfig({}))).toEqual({})
})

test('the fields are lists of structured fields', () => {
  expect(rateLimitFields([])).toEqual({})
  expect(
    rateLimitFields([
      { name: 'key', limit: 10, seconds: 1, remaining: 9, resetSeconds: 1 },
      { name: 'memories', limit: 5, remaining: 0 },
    ]),
  ).toEqual({ 'ratelimit-policy': '"key";q=10;w=1, "memories";q=5', ratelimit: '"key";r=9;t=1, "memories";r=0' })
})
