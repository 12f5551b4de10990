import { readFileSync } from 'node:fs'
import type { ConsistencyLevelEnum, MilvusClient } from '@zilliz/milvus2-sdk-node'
import type { Breaker } from '../breaker/index.ts'
import { ConfigError, type MilvusConnection } from '../config/index.ts'
import { mostPlaces, type Place, type VectorEngine } from '../vector/index.ts'
import { failureOf, isUnloaded, succeeded } from './explain.ts'
import { between, ofIds, ofMemories, ofPlaces, ofTenant, searchExpression } from './expression.ts'
import { dataOf, fieldsOf } from './fields.ts'

/** How long a call may take, in milliseconds: a recall waits for the first, and answers without it. */
const patience = { search: 1_500, write: 15_000, make: 60_000 } as const
/** HNSW as pgvector's graphs are made, with a little more breadth: the exact cosine is taken afterwards in any case. */
const graph = { M: 16, efConstruction: 128 } as const
const leastEf = 100
/**
 * How long it waits to connect again: by default up to two minutes, however long the server has been back. And no pings while nothing is asked: servers end connections for them.
 */
const channel = {
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
  'grpc.keepalive_time_ms': 60_000,
  'grpc.keepalive_permit_without_calls': 0,
}
const partitions = 64
/** Rows of one insert: 1,000 vectors of 4,000 numbers are 16 MB. */
const batchRows = 1_000
/**
 * Whoever writes waits until what he wrote is shown (Strong), once a batch; whoever searches waits for nobody (Eventually). So what has left vector_pending is
 * found, at the price of a time tick for a hundred memories instead of one for each recall.
 */
const strong = 0 as ConsistencyLevelEnum
const eventually = 3 as ConsistencyLevelEnum

/** Opens nothing yet; the SDK is loaded by the first call. @throws ConfigError when the CA's certificate cannot be read */
export function openMilvus(connection: MilvusConnection, breaker: Breaker): VectorEngine {
  const rootCert = connection.caLocation === undefined ? undefined : certificateAt(connection.caLocation)
  let opened: Promise<MilvusClient> | undefined
  const client = () => {
    opened ??= clientOf(connection, rootCert)
    return opened
  }
  const call = <T>(work: (milvus: MilvusClient) => Promise<T>, signal?: AbortSignal): Promise<T> =>
    breaker.run(
      async () => {
        const milvus = await client()
        try {
          return await work(milvus)
        } catch (error) {
          throw failureOf(error, connection)
        }
      },
      { signal },
    )
  /** Reads, from a collection that the server has to be told to load again: Milvus Lite after a restart, or when somebody released it. */
  const read = <T>(collection: string, work: (milvus: MilvusClient) => Promise<T>, signal?: AbortSignal): Promise<T> =>
    call(async (milvus) => {
      try {
        return await work(milvus)
      } catch (error) {
        if (!isUnloaded(error)) throw error
        succeeded(await milvus.loadCollection({ collection_name: collection, replica_number: 1, timeout: patience.search }))
        return work(milvus)
      }
    }, signal)
  const query = async (milvus: MilvusClient, collection: string, expr: string, output: string[], level = strong) =>
    succeeded(await milvus.query({ collection_name: collection, expr, output_fields: output, limit: mostPlaces, consistency_level: level, timeout: patience.write })).data
  const remove = (collection: string, expr: string) =>
    call(async (milvus) => {
      succeeded(await milvus.delete({ collection_name: collection, filter: expr, timeout: patience.write }))
    })

  return {
    create: (collection, dimension) =>
      call(async (milvus) => {
        const named = { collection_name: collection, timeout: patience.make }
        if (!succeeded(await milvus.hasCollection(named)).value) {
          succeeded(await milvus.createCollection({ ...named, fields: fieldsOf(dimension), num_partitions: partitions, consistency_level: 'Strong' }))
        }
        // a collection without an index answers an error here
        const { index_descriptions: indexes = [] } = await milvus.describeIndex(named)
        if (!indexes.length) succeeded(await milvus.createIndex({ ...named, field_name: 'vector', index_name: 'vector', index_type: 'HNSW', metric_type: 'COSINE', params: graph }))
        // one replica: what it has shown to the writer it shows to everybody
        succeeded(await milvus.loadCollectionSync({ ...named, replica_number: 1 }))
      }),
    has: (collection) => call(async (milvus) => Boolean(succeeded(await milvus.hasCollection({ collection_name: collection, timeout: patience.write })).value)),
    drop: (collection) =>
      call(async (milvus) => {
        const named = { collection_name: collection, timeout: patience.write }
        if (succeeded(await milvus.hasCollection(named)).value) succeeded(await milvus.dropCollection(named))
      }),
    async insert(collection, rows) {
      for (let from = 0; from < rows.length; from += batchRows) {
        const data = rows.slice(from, from + batchRows).map(dataOf)
        await call(async (milvus) => succeeded(await milvus.insert({ collection_name: collection, data, timeout: patience.write })))
      }
    },
    placesOf: (collection, tenantId, keys, settled) =>
      read(collection, async (milvus) => (await query(milvus, collection, ofMemories(tenantId, keys), ['memory', 'version'], settled ? strong : eventually)).map(placeOf)),
    placesBetween: (collection, tenantId, after, upTo) =>
      read(collection, async (milvus) => (await query(milvus, collection, between(tenantId, after, upTo), ['memory', 'version'])).map(placeOf)),
    count: (collection, tenantId) =>
      read(collection, async (milvus) => {
        const answer = await milvus.query({
          collection_name: collection,
          expr: ofTenant(tenantId),
          output_fields: ['count(*)'],
          consistency_level: strong,
          timeout: patience.write,
        })
        return Number(succeeded(answer).data[0]?.['count(*)'] ?? 0)
      }),
    vectorsAt: (collection, tenantId, places) =>
      read(collection, async (milvus) =>
        (await query(milvus, collection, ofPlaces(tenantId, places), ['memory', 'version', 'vector'])).map((row) => ({ ...placeOf(row), vector: row.vector as number[] })),
      ),
    remove: async (collection, tenantId, places) => {
      for (let from = 0; from < places.length; from += batchRows) await remove(collection, ofPlaces(tenantId, places.slice(from, from + batchRows)))
    },
    removeMemories: (collection, tenantId, ids) => remove(collection, ofIds(tenantId, ids)),
    search: (collection, asked, signal) =>
      read(
        collection,
        async (milvus) => {
          const answer = await milvus.search({
            collection_name: collection,
            anns_field: 'vector',
            data: Array.from(asked.vector),
            filter: searchExpression(asked),
            limit: asked.limit,
            params: { ef: Math.max(leastEf, asked.limit) },
            output_fields: ['memory'],
            consistency_level: eventually,
            timeout: patience.search,
          })
          const found = succeeded(answer).results as unknown as Record<string, unknown>[]
          return { memoryKeys: [...new Set(found.map((row) => String(row.memory)))], places: found.length }
        },
        signal,
      ),
    ask: () =>
      call(async (milvus) => {
        succeeded(await milvus.hasCollection({ collection_name: 'soma_is_it_there', timeout: patience.search }))
      }),
    async close() {
      // one that was never opened, or could not be loaded
      const milvus = await opened?.catch(() => undefined)
      await milvus?.closeConnection()
    },
  }
}

const placeOf = (row: Record<string, unknown>): Place => ({ memoryKey: String(row.memory), version: Number(row.version) })

async function clientOf({ host, port, token, tls }: MilvusConnection, rootCert: Buffer | undefined): Promise<MilvusClient> {
  const { MilvusClient } = await import('@zilliz/milvus2-sdk-node')
  return new MilvusClient({
    address: `${host}:${port}`,
    ssl: tls,
    ...(token === undefined ? {} : { token }),
    ...(rootCert ? { tls: { rootCert } } : {}),
    timeout: patience.write,
    // the breaker and the outbox try again; a connection that was lost is made anew by the next call
    maxRetries: 0,
    logLevel: 'error',
    telemetry: { enabled: false },
    channelOptions: channel,
    __SKIP_CONNECT__: true,
  })
}

function certificateAt(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new ConfigError(`MILVUS_SSL_CA_LOCATION got "${path}": the certificate cannot be read (${cause instanceof Error ? cause.message : cause}).`)
  }
}
