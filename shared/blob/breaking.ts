import { type Breaker, DependencyFailure } from '../breaker/index.ts'
import type { BlobStore } from './port.ts'

/** A store that is not asked while it is known to be away. Its retries and timeouts are its own: a stream that was begun cannot be sent again from outside. */
export function breakingStore(store: BlobStore, breaker: Breaker): BlobStore {
  const { urlOf } = store
  return {
    // a signature: nothing is asked
    ...(urlOf ? { urlOf } : {}),
    put: (key, content, options) => breaker.run(() => store.put(key, content, options)),
    list: (prefix) => breaker.run(() => store.list(prefix)),
    remove: (key) => breaker.run(() => store.remove(key)),
    async *get(key, from) {
      const pieces = store.get(key, from)[Symbol.asyncIterator]()
      try {
        // only the first piece is waited for in turn: a reader may take as long as it likes for the rest
        for (let next = await breaker.run(() => pieces.next()); !next.done; next = await pieces.next()) yield next.value
      } catch (error) {
        if (error instanceof DependencyFailure) await breaker.run(() => Promise.reject(error))
        throw error
      } finally {
        await pieces.return?.()
      }
    },
  }
}
