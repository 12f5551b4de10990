import { createBreakers } from '../../shared/breaker/index.ts'
import { openMilvus } from '../../shared/milvus/index.ts'
import type { VectorEngine } from '../../shared/vector/index.ts'
import { adminSql } from '../db/admin.ts'
import type { Product } from '../support/engines.ts'

/** The variables that have a product search in the Milvus at a URL, every scope of it. */
export function milvusAt(url: string): Record<string, string> {
  const { hostname, port } = new URL(url)
  return { VECTOR_ENGINE: 'milvus', MILVUS_HOST: hostname, MILVUS_PORT: port, MILVUS_FROM_MEMORIES: '0' }
}

/** The engine alone, as the product opens it. */
export function engineAt(url: string): VectorEngine {
  const { hostname, port } = new URL(url)
  const breakers = createBreakers({ failures: 1_000, openMs: 1 }, () => {})
  return openMilvus({ host: hostname, port: Number(port), token: undefined, tls: false, caLocation: undefined }, breakers.of('vector_engine'))
}

/** The collection that a product asks, of the model that is searched. */
export async function servingOf(product: Product): Promise<string> {
  const rows = await adminSql<{ name: string }>(product, `select name from vector_collections where state = 'serving' order by model_key`)
  if (!rows[0]) throw new Error('No collection serves.')
  return rows[0].name
}
