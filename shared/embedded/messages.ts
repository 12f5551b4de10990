import type { Bytes } from './wire.ts'

/** What the main thread tells the worker. One `run` at a time: the next is posted after the `answer` with `last` of the one before. */
export type ToEngine = { kind: 'run'; bytes: Bytes } | { kind: 'close' }

/** What the worker tells the main thread. `failed`: the engine cannot go on, the worker ends itself. */
export type FromEngine = { kind: 'opened'; serverVersion: string } | { kind: 'answer'; bytes: Bytes; last: boolean } | { kind: 'failed'; detail: string }

export type EngineData = { dataDir: string }
