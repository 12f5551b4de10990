import { setTimeout as sleep } from 'node:timers/promises'
import { gatherMs } from '../../local/jobs.ts'
import { hashEmbedder } from '../../shared/embed/index.ts'
import type { EventRecord, RecordFailure } from '../../shared/handler/index.ts'
import { type DrainDeps, drainOutbox, generationReader } from '../../shared/outbox/index.ts'
import type { Caller, Product } from '../support/engines.ts'

/** SQL as the superuser, past every policy: how a test looks into the tables, and how it moves a clock. */
export function adminSql<Row = Record<string, unknown>>(product: Product, text: string, values?: unknown[]): Promise<Row[]> {
  return product.local.db.owner.maintenance((sql) => sql.query<Row>(text, values))
}

/** How many rows a tenant has in each of these tables. */
export async function rowCounts<Table extends string>(product: Product, caller: Caller, tables: readonly Table[]): Promise<Record<Table, number>> {
  const counts = {} as Record<Table, number>
  for (const table of tables) {
    const [row] = await adminSql<{ n: number }>(product, `select count(*)::integer as n from ${table} where tenant_id = $1::integer`, [caller.tenantId])
    counts[table] = row?.n ?? -1
  }
  return counts
}

/** From here on nothing drains by itself: what a test sees as pending stays so until it drains. */
export async function loseWakeUps(product: Product): Promise<void> {
  product.local.jobs.wake = () => {}
  // a wake-up that came before has a timer, which fires before one that begins now and takes longer; what came while a drain ran has its timer after that
  for (let i = 0; i < 2; i++) {
    await sleep(gatherMs + 1)
    await product.local.runJob('drain-outbox')
  }
}

export type Outbox = {
  batches: EventRecord[][]
  deps: DrainDeps
  /** Drains until nothing is due, or until this tenant had one turn. */
  drain(until?: Caller): Promise<void>
  /** What was published of a tenant, in order. */
  of(caller: Caller): EventRecord[]
}

/** A drain of a test's own; `answer` says what the transport makes of each record: null when it took it. */
export function capture(product: Product, answer: (record: EventRecord) => string | null = () => null): Outbox {
  const batches: EventRecord[][] = []
  let onBatch: (records: EventRecord[]) => void = () => {}
  const deps: DrainDeps = {
    worker: product.local.db.worker,
    generation: generationReader(product.local.db.worker),
    onFailure: () => {},
    publisher: {
      name: 'capture',
      async publish(records) {
        const failures = records.map((record, index): RecordFailure | null => {
          const error = answer(record)
          return error === null ? null : { index, error: new Error(error), poison: false }
        })
        onBatch(records)
        batches.push(records.filter((_, index) => failures[index] === null))
        return failures
      },
    },
  }
  return {
    batches,
    deps,
    of: (caller) => batches.flat().filter((record) => record.headers['tenant-id'] === caller.tenant),
    async drain(until) {
      const ending = new AbortController()
      onBatch = (records) => {
        if (records.some((record) => record.headers['tenant-id'] === until?.tenant)) ending.abort()
      }
      await drainOutbox(deps, ending.signal)
    },
  }
}

/** As if the time until the next attempt, or of a lease, had passed. */
export async function passTime(product: Product, caller: Caller): Promise<void> {
  await adminSql(
    product,
    `update outbox set next_attempt_at = now() - interval '1 s', lease_expires_at = lease_expires_at - interval '1 hour' where tenant_id = $1::integer and status in ('pending', 'leased')`,
    [caller.tenantId],
  )
  await adminSql(product, 'update outbox_ready set not_before = now() where tenant_id = $1::integer', [caller.tenantId])
}

/** A drain that is gone after it has leased this tenant's rows: what it published to never answers. */
export async function killedDrain(product: Product, caller: Caller): Promise<void> {
  const dying = capture(product)
  await new Promise<void>((leased, failed) => {
    dying.deps.publisher = {
      name: 'killed',
      publish(records) {
        if (records[0]?.headers['tenant-id'] !== caller.tenant) return Promise.resolve(records.map(() => null))
        leased()
        return new Promise(() => {})
      },
    }
    drainOutbox(dying.deps, new AbortController().signal).catch(failed)
  })
}

/** Pending rows of a tenant, set-based, as the worker under row-level security; `ready` tells the drain, as a store does. */
export function queueRows(product: Product, caller: Caller, rows: number): Promise<unknown> {
  return product.local.db.worker.transaction({ role: 'soma_worker', tenantId: caller.tenantId, timeoutMs: 60_000 }, async (tx) => {
    await tx.query(
      `insert into outbox (tenant_id, event_id, type, id, version, body, created_at, next_attempt_at)
       select $1::integer, gen_random_uuid(), 'linked', gen_random_uuid(), 1, jsonb_build_object('namespace', 'default', 'payload', jsonb_build_object('n', n)), now(), now()
       from generate_series(1, $2::integer) n`,
      [caller.tenantId, rows],
    )
    await tx.query('insert into outbox_ready (tenant_id, not_before) values ($1::integer, now())', [caller.tenantId])
  })
}

/** What the consumers of the product are given. */
export function consumers(product: Product) {
  return { worker: product.local.db.worker, embedder: hashEmbedder(384), generation: generationReader(product.local.db.worker) }
}

export const idsOf = (items: { id: string }[]): string[] => items.map((one) => one.id)
