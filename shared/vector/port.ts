/**
 * An engine that finds near vectors beside Postgres, which keeps every vector and remains what is true: what the engine answers are candidates, looked up and
 * measured in Postgres before anybody sees them. Milvus is one. pgvector needs no port: its graphs are indexes of the table itself.
 */
export type VectorEngine = {
  /** Makes a collection that can be searched; one that is there stays. */
  create(collection: string, dimension: number): Promise<void>
  has(collection: string): Promise<boolean>
  /** One that is not there is no error. */
  drop(collection: string): Promise<void>
  /** Each version has a place of its own, so what comes late replaces no other version. A place that is there already is left to the caller to leave out. */
  insert(collection: string, rows: EngineRow[]): Promise<void>
  /**
   * What a tenant has there of these memories. `settled`: every insert that was answered before is seen, by this and by every search that follows; otherwise
   * what is seen at the moment.
   */
  placesOf(collection: string, tenantId: number, memoryKeys: string[], settled: boolean): Promise<Place[]>
  /** What a tenant has there of the memories above `after`, up to `upTo` where that is given: in no order, `mostPlaces` at most. */
  placesBetween(collection: string, tenantId: number, after: string, upTo: string | undefined): Promise<Place[]>
  count(collection: string, tenantId: number): Promise<number>
  /** The vectors at these places, those that are there. */
  vectorsAt(collection: string, tenantId: number, places: Place[]): Promise<(Place & { vector: number[] })[]>
  remove(collection: string, tenantId: number, places: Place[]): Promise<void>
  /** Every version of these memories. */
  removeMemories(collection: string, tenantId: number, ids: string[]): Promise<void>
  /** The nearest memories of a tenant by cosine, `limit` places at most; a memory that has several is named once. */
  search(collection: string, query: EngineQuery, signal?: AbortSignal): Promise<{ memoryKeys: string[]; places: number }>
  /** @throws AppError unavailable, saying what to look at */
  ask(): Promise<void>
  close(): Promise<void>
}
/** The most places that are answered at once. */
export const mostPlaces = 16_000

export type Place = { memoryKey: string; version: number }
/** A version of a memory as the engine knows it: numbers only, no text of anybody's. Times are milliseconds since 1970. */
export type EngineRow = Place & {
  tenantId: number
  id: string
  namespaceKey: number
  userKey: number | null
  recordedMs: number
  createdMs: number
  occurredMs: number | null
  importance: number
  /** What is said of it, each as a number: see marks.ts. */
  marks: number[]
  vector: Float32Array | number[]
}

export type EngineQuery = { tenantId: number; namespaceKey: number; userKey: number | undefined; narrow: Narrow | undefined; vector: Float32Array; limit: number }
/** What every match fulfils. It may let more through than the whole filter, never less. */
export type Narrow =
  | { kind: 'and' | 'or'; parts: Narrow[] }
  | { kind: 'marked'; anyOf: number[] }
  | { kind: 'bound'; field: 'importance' | 'createdMs' | 'occurredMs' | 'recordedMs'; op: '>=' | '<='; value: number }

/** An engine and how it is used here: scopes with fewer memories than `from` are read in Postgres, exactly. */
export type Engine = { engine: VectorEngine; from: number }
