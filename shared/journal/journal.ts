import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Database } from '../db/index.ts'
import { lockDirectory } from '../lock/index.ts'
import { uuidv7 } from '../memory/index.ts'
import { AppError } from '../problem/index.ts'
import type { Ctx, Limits } from '../tenant/index.ts'
import { type AppendFile, openAppendFile } from './append-file.ts'
import { doneOf, failedName, nextSegment, removeOrphans, type Segment } from './files.ts'
import type { Entry, Mark } from './line.ts'
import { type Indexed, type JournalReader, readJournal } from './reader.ts'
import { type ReplayPass, replayEntries } from './replay.ts'
import { type Shipping, shipSegments } from './ship.ts'
import { type Bounds, createWaiting, full, fullSeconds, type Waiting } from './waiting.ts'

export type JournalOptions = Bounds & {
  directory: string
  app: Database
  worker: Database
  /** What a tenant without limits of its own is held to. */
  limits: Limits
  shipping: Shipping
  /** An entry could not be stored for a reason that nobody foresaw. */
  onBroken: (error: unknown, operation: string) => void
}
/** A request as it came, with the id that its memory was to have. */
export type Append = { body: unknown; key: string | undefined; hash: string; memory: string; at: Date }
/** The journal of this process: it holds the lock of the directory until it is closed. */
export type Journal = {
  reader: JournalReader
  /** Resolves when the request is on the disk. The same key again is the same operation. @throws AppError unavailable beyond the bounds, idempotency_conflict */
  accept(ctx: Ctx, append: Append): Promise<{ operation: string; replayed: boolean }>
  /** How many entries wait to be stored. */
  pending(): number
  /** Stores what waits, or what failed before; one run at a time. */
  run(signal: AbortSignal, which?: 'pending' | 'failed'): Promise<ReplayPass>
  /** Ships files that are finished. @throws Error of the blob store */
  ship(): Promise<string[]>
  close(): Promise<void>
}

type Growing = Segment & { file: AppendFile }
const segmentBytes = 16 * 1024 * 1024
const keyOf = (tenantId: number, key: string) => `${tenantId} ${key}`

/** Opens a journal, locked for this process, with what an earlier one left in it. @throws Error when another process has it */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const { directory } = options
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const unlock = await lockDirectory(directory, 'journal directory')
  const reader = readJournal(directory)
  const broken = new Map<string, number>()
  const keys = new Map<string, { hash: string; kept: Promise<string> }>()
  let last: Segment | undefined
  let current: Growing | undefined
  let opening: Promise<Growing> | undefined
  let bytes = 0
  const waiting = createWaiting(options)
  /** Stored, but the mark could not be written as the disk is full: they are not looked at again, and their file may go. */
  const unmarked = new Set<string>()
  const underWay = new Set<string>()
  let closed = false
  let running: Promise<unknown> = Promise.resolve()
  try {
    await removeOrphans(directory)
    const segments = await reader.segments()
    last = segments.at(-1)
    bytes = (await reader.state()).bytes
    for (const entry of await reader.entries()) note(entry)
  } catch (error) {
    unlock()
    throw error
  }

  function note({ operation, tenant_id, key, hash, at, mark, segment, bytes }: Indexed): void {
    if (key !== undefined) keys.set(keyOf(tenant_id, key), { hash, kept: Promise.resolve(operation) })
    if (!mark) waiting.add(operation, { at: Date.parse(at), tenantId: tenant_id, bytes, segment })
  }

  /** The file that grows: another one each day, at a size, and after a write that failed. What an earlier process left is never gone on with. */
  async function fileFor(now: Date): Promise<Growing> {
    if (opening) return opening
    if (current && !current.file.broken() && current.day === now.toISOString().slice(0, 10) && current.file.size() < segmentBytes) return current
    opening = (async () => {
      await seal()
      const next = nextSegment(last, now)
      last = next
      current = { ...next, file: await openAppendFile(join(directory, next.name)) }
      return current
    })()
    try {
      return await opening
    } finally {
      opening = undefined
    }
  }
  async function seal(): Promise<void> {
    const before = current
    current = undefined
    await before?.file.close()
  }

  async function keep(ctx: Ctx, { body, key, hash, memory, at }: Append): Promise<string> {
    const { tenantId: tenant_id, tenant, actor, requestId: request_id, traceparent } = ctx
    const operation = uuidv7(at.getTime())
    const entry: Entry = {
      ...{ kind: 'append', operation, memory, at: at.toISOString(), tenant_id, tenant, actor, request_id, hash, body },
      ...(traceparent === undefined ? {} : { traceparent }),
      ...(key === undefined ? {} : { key }),
    } as Entry
    const size = Buffer.byteLength(JSON.stringify(entry)) + 10
    if (closed) throw full('this process is about to end')
    // before it is written: a file that it goes into is not finished
    const place: Waiting = { at: at.getTime(), tenantId: tenant_id, bytes: size, segment: undefined }
    waiting.assertRoom(place, bytes)
    bytes += size
    waiting.add(operation, place)
    try {
      const { name, file } = await fileFor(at)
      place.segment = name
      await file.append(entry)
    } catch (cause) {
      waiting.remove(operation)
      bytes -= size
      throw new AppError('unavailable', 'The database cannot be reached, and the journal cannot be written.', { cause, retryAfterSeconds: fullSeconds })
    }
    return operation
  }

  /** The marks go beside the entries; those that failed are copied first, so that they stay when the file is shipped. */
  function settler(open: Map<string, AppendFile>) {
    const fileOf = async (name: string) => {
      const file = open.get(name) ?? (await openAppendFile(join(directory, name)))
      open.set(name, file)
      return file
    }
    return async (entry: Entry, segment: string, mark: Mark): Promise<boolean> => {
      if (mark.state === 'failed' && segment === failedName) return true
      try {
        if (mark.state === 'failed') for (const line of [entry, mark]) await (await fileOf(failedName)).append(line)
      } catch (error) {
        options.onBroken(error, entry.operation)
        return false
      }
      try {
        await (await fileOf(doneOf(segment))).append(mark)
      } catch (error) {
        unmarked.add(entry.operation)
        options.onBroken(error, entry.operation)
      }
      waiting.remove(entry.operation)
      broken.delete(entry.operation)
      return true
    }
  }

  async function pass(signal: AbortSignal, which: 'pending' | 'failed'): Promise<ReplayPass> {
    const wanted = which === 'failed' ? await reader.failed() : (await reader.entries()).filter(({ mark, operation }) => !mark && !unmarked.has(operation))
    const open = new Map<string, AppendFile>()
    try {
      if (which === 'failed') for (const { operation, tenant_id } of wanted) await reopen(options.worker, tenant_id, operation)
      return await replayEntries(options, wanted, broken, settler(open), signal)
    } finally {
      for (const file of open.values()) await file.close()
    }
  }

  async function ship(): Promise<string[]> {
    const segments = await reader.segments()
    const open = new Set((await reader.entries()).flatMap(({ mark, operation, segment }) => (mark || unmarked.has(operation) ? [] : [segment])))
    // from here to the list there is no await: what comes now goes into the file that grows, or into a later one
    for (const { segment } of waiting.values()) {
      if (segment === undefined) return []
      open.add(segment)
    }
    const sealing = waiting.size() === 0 ? seal() : undefined
    const finished = segments.filter(({ name }) => !open.has(name) && name !== current?.name)
    await sealing
    const shipped = await shipSegments(directory, finished, options.shipping)
    const left = await reader.entries()
    bytes = (await reader.state()).bytes
    const kept = new Set(left.flatMap(({ tenant_id, key }) => (key === undefined ? [] : [keyOf(tenant_id, key)])))
    for (const key of keys.keys()) if (!kept.has(key) && !underWay.has(key)) keys.delete(key)
    for (const operation of unmarked) if (!left.some((one) => one.operation === operation)) unmarked.delete(operation)
    return shipped
  }

  /** One after the other: two runs would store the same entries, and a file must not be shipped while it is read. */
  function alone<T>(work: () => Promise<T>): Promise<T> {
    const mine = running.then(work)
    running = mine.catch(() => {})
    return mine
  }

  return {
    reader,
    async accept(ctx, append) {
      if (append.key === undefined) return { operation: await keep(ctx, append), replayed: false }
      const key = keyOf(ctx.tenantId, append.key)
      const known = keys.get(key)
      if (known && known.hash !== append.hash) throw new AppError('idempotency_conflict', 'Use a new idempotency key for a new request.')
      if (known) return { operation: await known.kept, replayed: true }
      const kept = keep(ctx, append)
      keys.set(key, { hash: append.hash, kept })
      underWay.add(key)
      try {
        return { operation: await kept, replayed: false }
      } catch (error) {
        keys.delete(key)
        throw error
      } finally {
        underWay.delete(key)
      }
    },
    pending: waiting.size,
    run: (signal, which = 'pending') => alone(() => pass(signal, which)),
    ship: () => alone(ship),
    async close() {
      closed = true
      await running
      await opening?.catch(() => {})
      await seal()
      unlock()
    },
  }
}

/** A failed operation is no mark that it is stored: its row goes, and comes again with what becomes of it now. */
async function reopen(worker: Database, tenantId: number, operation: string): Promise<void> {
  await worker.statement(
    { role: 'soma_worker', tenantId },
    `delete from operations o where o.tenant_id = $1::integer and o.operation_id = $2::uuid and o.kind = 'store' and o.state = 'failed'`,
    [tenantId, operation],
  )
}
