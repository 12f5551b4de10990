/** A key: names joined by `/`, no empty one, no `.` or `..`, none that begins with a dot; relative, whatever the store. */
export type Stored = { key: string; bytes: number }

/** What a URL allows whoever has it, and for how long: to fetch a key, or to put exactly so many bytes under it. */
export type Allowed = { seconds: number } & ({ method: 'GET' } | { method: 'PUT'; bytes: number })

/** Where archives and other files lie: a directory, or a bucket, behind the same four methods. */
export type BlobStore = {
  /**
   * Stores the stream under the key, all of it or nothing; what was there is replaced, or with `ifAbsent` kept. It pulls as fast as it can write.
   * @throws BlobExists with `ifAbsent` when there is something under the key, Error on a key that is none
   */
  put(key: string, content: AsyncIterable<Uint8Array>, options?: { ifAbsent?: boolean }): Promise<void>
  /** The bytes of a key from an offset below its size on, piece by piece. @throws BlobMissing when there is nothing under it, Error on a key that is none */
  get(key: string, from?: number): AsyncIterable<Buffer>
  /** Everything whose key is the prefix or begins with `<prefix>/`, in the order of the keys; `''` is everything. */
  list(prefix: string): Promise<Stored[]>
  /** Removes a key; one that is not there is removed already. */
  remove(key: string): Promise<void>
  /** A URL that speaks to the store directly, without credentials; absent where there is none: files. */
  urlOf?(key: string, allowed: Allowed): Promise<string>
}

export class BlobMissing extends Error {
  override readonly name = 'BlobMissing'
}

export class BlobExists extends Error {
  override readonly name = 'BlobExists'
}

/** Characters that every file system and object store takes; a leading dot is kept for what is being written. */
const segment = /^[A-Za-z0-9_@+=-][A-Za-z0-9._@+=-]{0,199}$/

/** @throws Error when it is no key */
export function assertKey(key: string): void {
  if (key.length > 900 || !key.split('/').every((part) => segment.test(part))) {
    throw new Error(`"${key.slice(0, 200)}" is no key of the store: it takes names of letters, digits and ._@+=- joined by /, none of them beginning with a dot.`)
  }
}
