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
  // the drain that an earlier store woke ends first
  await product.local.runJob('drain-outbox')
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

/** What the consumers of the product are given. */
export function consumers(product: Product) {
  return { worker: product.local.db.worker, embedder: hashEmbedder(384), generation: generationReader(product.local.db.worker) }
}

export const idsOf = (items: { id: string }[]): string[] => items.map((one) => one.id)
