import { setFlagsFromString } from 'node:v8'
import { Worker } from 'node:worker_threads'
import type { EngineData, FromEngine, ToEngine } from './messages.ts'
import type { Bytes } from './wire.ts'

export type WorkerLink = {
  /** Resolves with Postgres' version when the engine is open; rejects when the worker ends before that. */
  opened: Promise<string>
  /** Posts one batch of protocol messages; the bytes are transferred and gone on this side. */
  run(bytes: Bytes): void
  /** Checkpoints, closes and ends the worker; after `graceMs` it is ended anyway, which loses nothing but the checkpoint. */
  close(graceMs: number): Promise<void>
  kill(): Promise<void>
}

export type WorkerEvents = { answer(bytes: Bytes, last: boolean): void; gone(detail: string): void }

/**
 * V8 frees WebAssembly code that was compiled again, from a registry all threads share, and sometimes aborts the whole process there
 * (`jit_page_->allocations_.erase(addr) == 1`, seen once in 560 reopenings; github.com/nodejs/node/issues/64500). It need not free it.
 */
const KEEP_REPLACED_CODE = '--no-wasm-code-gc'

export function startWorker(dataDir: string, on: WorkerEvents): WorkerLink {
  setFlagsFromString(KEEP_REPLACED_CODE)
  const workerData: EngineData = { dataDir }
  // Without the flags of this process: some (--input-type) a worker refuses, and none is meant for the engine.
  const worker = new Worker(new URL('./engine.ts', import.meta.url), { workerData, name: 'embedded-postgres', execArgv: [] })
  const tell = (message: ToEngine, transfer: ArrayBuffer[] = []) => worker.postMessage(message, transfer)
  const gone = Promise.withResolvers<void>()
  let cause: string | undefined

  const opened = new Promise<string>((resolve, reject) => {
    worker.on('message', (message: FromEngine) => {
      if (message.kind === 'answer') on.answer(message.bytes, message.last)
      else if (message.kind === 'opened') resolve(message.serverVersion)
      else cause = message.detail
    })
    worker.on('error', (error) => {
      cause ??= error instanceof Error ? error.message : String(error)
    })
    // Only here, not at 'error': the worker's files are closed by now, so the directory may be opened again.
    worker.on('exit', (code) => {
      const detail = cause ?? `the worker ended with code ${code}`
      reject(new Error(`The embedded database did not open: ${detail}.`))
      gone.resolve()
      on.gone(detail)
    })
  })

  return {
    opened,
    run: (bytes) => tell({ kind: 'run', bytes }, [bytes.buffer]),
    close: async (graceMs) => {
      tell({ kind: 'close' })
      const timer = setTimeout(() => worker.terminate(), graceMs)
      await gone.promise
      clearTimeout(timer)
    },
    kill: async () => {
      await worker.terminate()
      await gone.promise
    },
  }
}
