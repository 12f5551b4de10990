import pg from 'pg'
import { POSTGRES_MAJOR } from './engine-record.ts'
import type { EmbeddedOptions } from './open.ts'
import { type Bytes, joinBytes, messageTypes, resetSession } from './wire.ts'
import { startWorker, type WorkerLink } from './worker-link.ts'

/** One client's use of the engine. `lost` is called when the engine that held its state is gone. */
export type Session = { lost(error: Error): void }

/** The engine as the sessions see it: always there, sometimes late. */
export type Supervisor = {
  /** Resolves when the engine is open, opening it (again) if it is not. */
  ready(): Promise<void>
  /** Queues one batch of protocol messages; one runs at a time, each with its deadline. */
  run(session: Session, bytes: Bytes, onAnswer: (bytes: Bytes) => void): void
  /** The session is over: its open transaction is rolled back and its settings, statements and temporary tables are dropped. */
  leave(session: Session): void
  serverVersion(): string
  close(): Promise<void>
}

type Exchange = { session?: Session; bytes: Bytes; onAnswer(bytes: Bytes, last: boolean): void }

const CLOSE_GRACE_MS = 10_000

export function supervise({ dataDir, statementTimeoutMs = 30_000, onEvent }: EmbeddedOptions): Supervisor {
  let link: WorkerLink | undefined
  let opening: Promise<void> | undefined
  let version = 'unknown'
  let closed = false
  let queue: Exchange[] = []
  let current: Exchange | undefined
  let deadline: NodeJS.Timeout | undefined
  const touched = new Set<Session>() // those with state in the running engine; the others can move to the next one

  async function start(type: 'opened' | 'reopened'): Promise<void> {
    const began = performance.now()
    const started = startWorker(dataDir, {
      answer: (bytes, last) => {
        if (link === started) answered(bytes, last)
      },
      gone: (detail) => {
        if (link === started) crashed(detail)
      },
    })
    version = await started.opened
    if (Number.parseInt(version, 10) !== POSTGRES_MAJOR) {
      await started.kill()
      throw new Error(`The installed PGlite runs Postgres ${version}, this version of Soma is made for ${POSTGRES_MAJOR}. Run npm ci.`)
    }
    link = started
    onEvent?.({ type, ms: Math.round(performance.now() - began) })
    pump()
  }

  function ready(): Promise<void> {
    if (closed) return Promise.reject(stopped('57P01', 'The embedded database is closed.'))
    opening ??= start('opened')
    return opening
  }

  function pump(): void {
    if (!link || current) return
    const next = queue.shift()
    if (!next) return
    current = next
    if (next.session) touched.add(next.session)
    // One more turn of the loop before the verdict: if this thread was the one that was busy, the answer is already there.
    if (statementTimeoutMs > 0) deadline = setTimeout(() => setImmediate(expire, next), statementTimeoutMs)
    link.run(next.bytes)
  }

  function answered(bytes: Bytes, last: boolean): void {
    const exchange = current
    if (last) {
      clearTimeout(deadline)
      current = undefined
    }
    exchange?.onAnswer(bytes, last)
    if (last) pump()
  }

  function expire(exchange: Exchange): void {
    if (current !== exchange || !link) return
    const { kill } = link
    onEvent?.({ type: 'deadline', ms: statementTimeoutMs })
    replace(stopped('57014', `the statement was stopped after ${statementTimeoutMs} ms`), kill())
  }

  function crashed(detail: string): void {
    onEvent?.({ type: 'crashed', detail })
    replace(stopped('57P01', `the embedded database stopped and is opened again: ${detail}`), Promise.resolve())
  }

  function replace(error: Error, gone: Promise<void>): void {
    clearTimeout(deadline)
    link = undefined
    current = undefined
    queue = queue.filter(({ session }) => session && !touched.has(session))
    const lost = [...touched]
    touched.clear()
    if (!closed) {
      opening = gone.then(() => start('reopened'))
      opening.catch(giveUpWaiting)
    }
    for (const session of lost) session.lost(error)
  }

  /** Whoever waits is told; the next one who asks for a connection tries again. */
  function giveUpWaiting(cause: Error): void {
    opening = undefined
    const waiting = new Set(queue.map(({ session }) => session))
    queue = []
    for (const session of waiting) session?.lost(stopped('57P01', cause.message))
  }

  /** PGlite has one session for ever: the next client must not find the transaction, role or settings of the one before. */
  function leave(session: Session): void {
    queue = queue.filter((exchange) => exchange.session !== session)
    if (!touched.delete(session)) return
    const answers: Bytes[] = []
    queue.push({
      bytes: resetSession(),
      onAnswer: (bytes, last) => {
        answers.push(bytes)
        if (last && link && messageTypes(joinBytes(answers)).includes('E')) {
          const { kill } = link
          onEvent?.({ type: 'crashed', detail: 'the session could not be reset' })
          replace(stopped('57P01', 'the embedded database is opened again: its session could not be reset'), kill())
        }
      },
    })
    pump()
  }

  async function close(): Promise<void> {
    closed = true
    await opening?.catch(() => undefined) // not open is what we want, and whoever waited for it has been told
    for (const session of touched) session.lost(stopped('57P01', 'The embedded database is closed.'))
    const last = link
    link = undefined
    clearTimeout(deadline)
    await last?.close(CLOSE_GRACE_MS)
  }

  return {
    ready,
    run: (session, bytes, onAnswer) => {
      queue.push({ session, bytes, onAnswer })
      pump()
    },
    leave,
    serverVersion: () => version,
    close,
  }
}

function stopped(code: '57014' | '57P01', message: string): Error {
  return Object.assign(new pg.DatabaseError(message, message.length, 'error'), { code, severity: 'FATAL' })
}
