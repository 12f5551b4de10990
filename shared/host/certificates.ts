import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type Config, jwtSettings, kafkaConnection, milvusConnection, redisConnection } from '../config/index.ts'

/** Where this process is configured to speak TLS; `dependency` as /health names it. PostgreSQL wants to be asked for TLS first. */
export type TlsEndpoint = { dependency: string; host: string; port: number; postgres?: true }

const patienceMs = 3_000

export function tlsEndpoints(config: Config): TlsEndpoint[] {
  const found: TlsEndpoint[] = []
  const https = (dependency: string, text: string | undefined) => {
    const url = text ? new URL(text) : undefined
    if (url?.protocol === 'https:') found.push({ dependency, host: bare(url.hostname), port: Number(url.port || 443) })
  }
  for (const text of new Set([config.POSTGRES_URL, config.POSTGRES_WORKER_URL])) {
    const url = text ? new URL(text) : undefined
    const mode = url?.searchParams.get('sslmode') ?? 'disable'
    if (url && (config.POSTGRES_SSL_ROOT_CERT || !['disable', 'allow', 'prefer'].includes(mode)))
      found.push({ dependency: 'database', host: bare(url.hostname), port: Number(url.port || 5432), postgres: true })
  }
  const kafka = kafkaConnection(config)
  if (kafka?.tls) for (const broker of kafka.brokers) found.push({ dependency: 'broker', ...hostAndPort(broker) })
  const redis = redisConnection(config)
  if (redis?.tls) for (const { host, port } of redis.nodes) found.push({ dependency: 'redis', host, port })
  const milvus = milvusConnection(config)
  if (milvus?.tls) found.push({ dependency: 'vector_engine', host: milvus.host, port: milvus.port })
  if (config.EMBEDDER === 'http') https('embedder', config.EMBEDDING_URL)
  const tokens = jwtSettings(config)
  if (tokens && tokens.keys.from !== 'pem') https('issuer', tokens.keys.from === 'url' ? tokens.keys.url : tokens.issuer)
  if (config.BACKUP_BUCKET) https('blob_store', config.S3_ENDPOINT)
  return found
}

const bare = (host: string): string => host.replace(/^\[(.*)\]$/, '$1')

function hostAndPort(text: string): { host: string; port: number } {
  const at = text.lastIndexOf(':')
  return { host: bare(text.slice(0, at)), port: Number(text.slice(at + 1)) }
}

/** When the certificate that is shown there expires, whoever has signed it: whether it is trusted is the business of who connects to work. @throws Error when none is shown in time */
export async function certificateExpiry({ host, port, postgres }: TlsEndpoint): Promise<Date> {
  const tcp = connectTcp({ host, port })
  const timer = setTimeout(() => tcp.destroy(new Error(`${host}:${port} shows no certificate within ${patienceMs} ms`)), patienceMs)
  try {
    await event(tcp, 'connect')
    if (postgres) await askForTls(tcp)
    const tls = connectTls({ socket: tcp, rejectUnauthorized: false, ...(isIP(host) ? {} : { servername: host }) })
    await event(tls, 'secureConnect')
    const { valid_to } = tls.getPeerCertificate()
    tls.destroy()
    return new Date(valid_to)
  } finally {
    clearTimeout(timer)
    tcp.destroy()
  }
}

/** SSLRequest, and `S` for yes. Source: PostgreSQL's manual, "Frontend/Backend Protocol", message formats. */
async function askForTls(socket: Socket): Promise<void> {
  const answered = event(socket, 'data')
  socket.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]))
  const [answer] = (await answered) as [Buffer]
  if (answer.toString('latin1') !== 'S') throw new Error('PostgreSQL takes no TLS')
}

function event(emitter: Socket, name: string): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    emitter.once(name, (...values) => resolve(values))
    emitter.once('error', reject)
    emitter.once('close', () => reject(new Error('the connection was closed before it showed a certificate')))
  })
}

/** Every so often: a certificate does not change by the minute. */
const freshMs = 3_600_000

/** Reads what is shown now, at most once an hour; what cannot be read is left out. The soonest of each dependency, in seconds from `now`. */
export function certificateReader(endpoints: readonly TlsEndpoint[], onProblem: (dependency: string, error: Error) => void): (now: number) => Promise<Map<string, number>> {
  let read: { at: number; expiries: { dependency: string; at: number }[] } | undefined
  return async (now) => {
    if (!read || now - read.at > freshMs) {
      const expiries = await Promise.all(
        endpoints.map(async (endpoint) => {
          try {
            return [{ dependency: endpoint.dependency, at: (await certificateExpiry(endpoint)).getTime() }]
          } catch (error) {
            onProblem(endpoint.dependency, error as Error)
            return []
          }
        }),
      )
      read = { at: now, expiries: expiries.flat() }
    }
    const soonest = new Map<string, number>()
    for (const { dependency, at } of read.expiries) soonest.set(dependency, Math.min(soonest.get(dependency) ?? Number.POSITIVE_INFINITY, (at - now) / 1000))
    return soonest
  }
}
