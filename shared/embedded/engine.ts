/** The worker: PGlite behind a message port. Everything in here may block; that is what the thread is for. */
import { parentPort, workerData } from 'node:worker_threads'
import { PGlite } from '@electric-sql/pglite'
import { vector } from '@electric-sql/pglite-pgvector'
import type { EngineData, FromEngine, ToEngine } from './messages.ts'
import { endsStatement, joinBytes, simpleQuery } from './wire.ts'

/** PGlite's own code for "a Postgres ERROR jumped back to the main loop"; anything else thrown there is the end of the engine. */
const POSTGRES_ERROR = 100
/** Large results leave in pieces, so that they are not held twice as a whole. */
const PIECE_BYTES = 1024 * 1024
/**
 * PGlite runs Postgres in single-user mode, which has no checkpointer: the log grew to 1.6 GB with max_wal_size 1 GB, and
 * replaying 600 MB took 1.7 s. So we checkpoint ourselves, between statements, looking at most once a second.
 */
const LOOK_EVERY_MS = 1000
const CHECKPOINT_WHEN_DUE = simpleQuery(`do $$ begin
  if pg_wal_lsn_diff(pg_current_wal_insert_lsn(), (select redo_lsn from pg_control_checkpoint())) > 67108864 then checkpoint; end if;
end $$`)

const port = parentPort
if (!port) throw new Error('engine.ts runs as a worker of openEmbedded, not by itself.')
const tell = (message: FromEngine, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer)

let lastWords = ''
let lookedAt = performance.now()

function fail(error: unknown): never {
  const reason = (error as { message?: string }).message ?? String(error) // Emscripten throws objects that are no Errors
  tell({ kind: 'failed', detail: lastWords ? `${lastWords} (${reason})` : reason })
  process.exit(1)
}

async function open(): Promise<PGlite> {
  const { dataDir } = workerData as EngineData
  const pg = await PGlite.create(dataDir, {
    extensions: { vector },
    relaxedDurability: false,
    onStderr: (line) => {
      // Of the server's log only these: its STATEMENT and CONTEXT lines hold what users wrote.
      lastWords = /(?:FATAL|PANIC): .*/.exec(line)?.[0] ?? lastWords
      return false // not to the console
    },
  })
  const engine = pg.Module
  const loopOnce = engine._PostgresMainLoopOnce
  // PGlite goes on after any exception in there, also after a FATAL or a trap of the WebAssembly, with whatever is left in memory.
  engine._PostgresMainLoopOnce = () => {
    try {
      return loopOnce()
    } catch (error) {
      if ((error as { status?: number }).status === POSTGRES_ERROR) throw error
      return fail(error)
    }
  }
  return pg
}

async function run(pg: PGlite, bytes: Uint8Array): Promise<void> {
  let parts: Uint8Array[] = []
  let held = 0
  const send = (last: boolean) => {
    const piece = joinBytes(parts)
    parts = []
    held = 0
    tell({ kind: 'answer', bytes: piece, last }, [piece.buffer])
  }
  await pg.execProtocolRawStream(bytes, {
    onRawData: (chunk) => {
      parts.push(chunk.slice()) // a view of the engine's memory, overwritten by the next
      held += chunk.length
      if (held >= PIECE_BYTES) send(false)
    },
  })
  send(true)
  if (performance.now() - lookedAt < LOOK_EVERY_MS || !endsStatement(bytes) || pg.isInTransaction()) return
  lookedAt = performance.now()
  await pg.execProtocolRawStream(CHECKPOINT_WHEN_DUE, { onRawData: () => {} })
}

try {
  const pg = await open()
  const { rows } = await pg.query<{ server_version: string }>('show server_version')
  port.on('message', (message: ToEngine) => {
    if (message.kind === 'run') run(pg, message.bytes).catch(fail)
    else close(pg).catch(fail)
  })
  tell({ kind: 'opened', serverVersion: rows[0]?.server_version ?? 'unknown' })
} catch (error) {
  fail(error)
}

async function close(pg: PGlite): Promise<void> {
  await pg.close() // rolls back, writes the shutdown checkpoint
  process.exit(0)
}
