import type { Handler } from './handler.ts'
import type { Settings } from './settings.ts'

/** Every handler knows which engine is searched, as an import leaves its vectors to the indexer then; those that ask it have its token among their secrets. */
export function searchInMilvus(handlers: Iterable<Handler>, { host, port, tls }: NonNullable<Settings['milvus']>): void {
  for (const handler of handlers) {
    handler.setVariable('VECTOR_ENGINE', 'milvus')
    handler.setVariable('MILVUS_HOST', host)
    handler.setVariable('MILVUS_PORT', String(port))
    handler.setVariable('MILVUS_TLS', tls ? '1' : '0')
  }
}
