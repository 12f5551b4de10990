import { readFileSync } from 'node:fs'
import * as ioredis from 'ioredis'
import { ConfigError, type RedisConnection } from '../config/index.ts'

export type RedisClient = ioredis.Redis | ioredis.Cluster
/**
 * A Redis that may be away at any time: then its commands fail within half a second, or at once when that is known, and it comes back by itself.
 * Nothing waits in a queue for it, and nobody needs it: what asks it has an answer of its own.
 */
export type Redis = {
  client: RedisClient
  /** Connects in the background; later calls do nothing. Resolves when it is there, or known to be away, within a second. */
  connect(): Promise<void>
  state(): { ok: boolean; detail?: string }
  /** Whether anybody has connected it. */
  wanted(): boolean
  close(): Promise<void>
}
export type RedisEvents = { onAway(reason: string): void; onBack(): void }

/** No answer in this time is none: a request does not wait for it any longer. */
const commandTimeoutMs = 500
/** A server that takes bytes and says nothing for so long is left; until it answers again, commands fail at once. */
const silenceMs = 1_500
const connectTimeoutMs = 2_000
const longestPauseMs = 2_000
const firstConnectMs = 1_000

/** How long until the next attempt to connect: it never gives up. */
export const pauseBefore = (attempt: number): number => Math.min(longestPauseMs, 50 * 2 ** Math.min(attempt, 10)) * (0.5 + Math.random() / 2)

/** Opens nothing yet. @throws ConfigError when the CA's certificate cannot be read */
export function openRedis(connection: RedisConnection, { onAway, onBack }: RedisEvents): Redis {
  const client = clientOf(connection)
  const places = connection.nodes.map(({ host, port }) => `${host}:${port}`).join(', ')
  let reason: string | undefined
  let last = 'it is not connected yet'
  let connecting: Promise<void> | undefined
  let closed = false

  // an error event that nobody listens to would end the process
  client.on('error', (error: Error) => {
    last = explain(error, connection.tls)
  })
  client.on('close', () => {
    if (closed) return
    if (reason === undefined) onAway(`Redis (REDIS_URL) at ${places} is away: ${last}`)
    reason = last
  })
  client.on('ready', () => {
    if (reason !== undefined) onBack()
    reason = undefined
    last = 'the connection was lost'
  })

  async function first(): Promise<void> {
    const settled = Promise.withResolvers<void>()
    for (const event of ['ready', 'close', 'end']) client.once(event, () => settled.resolve())
    const timer = setTimeout(settled.resolve, firstConnectMs)
    // it goes on trying by itself; why it could not at first is in the events
    client.connect().catch(() => {})
    await settled.promise
    clearTimeout(timer)
  }

  return {
    client,
    connect() {
      connecting ??= first()
      return connecting
    },
    state: () => (client.status === 'ready' ? { ok: true } : { ok: false, detail: `Redis (REDIS_URL) is away: ${reason ?? last}.` }),
    wanted: () => connecting !== undefined,
    async close() {
      closed = true
      client.disconnect()
    },
  }
}

function clientOf({ nodes, cluster, tls, caLocation, username, password, db }: RedisConnection): RedisClient {
  const options = {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls ? { tls: caLocation === undefined ? {} : { ca: certificateAt(caLocation) } } : {}),
    commandTimeout: commandTimeoutMs,
    socketTimeout: silenceMs,
    connectTimeout: connectTimeoutMs,
    // a command whose answer got lost is not sent again: what it did is not known
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // a replica that a failover left behind
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  } as const
  if (!cluster) return new ioredis.Redis({ ...nodes[0], ...options, db, lazyConnect: true, enableOfflineQueue: false, retryStrategy: pauseBefore })
  return new ioredis.Cluster(nodes, {
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: pauseBefore,
    maxRedirections: 3,
    retryDelayOnFailover: 50,
    retryDelayOnClusterDown: 50,
    retryDelayOnTryAgain: 50,
    slotsRefreshTimeout: connectTimeoutMs,
    // with TLS the name must stay what the certificate says
    ...(tls ? { dnsLookup: (address: string, done: (error: null, found: string) => void) => done(null, address) } : {}),
    redisOptions: options,
  })
}

function certificateAt(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new ConfigError(`REDIS_SSL_CA_LOCATION got "${path}": the certificate cannot be read (${cause instanceof Error ? cause.message : cause}).`)
  }
}

/** What an operator does about it; the address is said already. */
function explain(error: Error, tls: boolean): string {
  // a cluster says that none of its nodes could be used, and why beside it
  if ('lastNodeError' in error && error.lastNodeError instanceof Error) return explain(error.lastNodeError, tls)
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const { message } = error
  if (/WRONGPASS|NOAUTH|invalid username-password/.test(message)) return 'it refuses the credentials: look at the user and password in REDIS_URL'
  if (/NOPERM/.test(message)) return `the user of REDIS_URL may not do what is needed: ${message}`
  if (code === 'ECONNREFUSED') return 'nobody listens there: look at its host and port, and whether it is started'
  if (code === 'ETIMEDOUT' || /secure TLS/.test(message)) return `it does not answer in time: look at the host and port${tls ? ', and whether it speaks TLS' : ''}`
  if (/cluster support disabled/i.test(message)) return 'it is no cluster: REDIS_URL goes without ?cluster=true then'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'the host name is not known'
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || /wrong version number|packet length too long/.test(message)) return 'it does not speak TLS: REDIS_URL takes redis:// then'
  if (/CERT|certificate/i.test(`${code} ${message}`)) return `its certificate is not trusted (${message}): REDIS_SSL_CA_LOCATION takes the path of the CA's`
  return message || code || 'the connection was lost'
}
