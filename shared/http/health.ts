import { setTimeout as sleep } from 'node:timers/promises'
import type { Breaker, BreakerState, Dependency } from '../breaker/index.ts'
import type { Database } from '../db/index.ts'
import { schemaVersion } from '../db/index.ts'
import { AppError } from '../problem/index.ts'

/** `state` is that of the breaker, where there is one. */
export type Component = { ok: boolean; latency_ms: number; detail?: string; state?: BreakerState }
/** Something outside of the process that a request can do without. `hint` names its variables, for everybody to read; the reason goes to the log. */
export type Dependable = { dependency: Dependency; breaker: Breaker; ask(): Promise<unknown>; hint: string }
export type Readiness = { status: 'ok' | 'unavailable'; components: Record<string, Component> }

/** Whether what a handler needs can be used now: the database answers, its schema is at least this code's, and `others`, which know their state by themselves. */
export async function readiness(databases: Record<string, Database>, others: Record<string, Omit<Component, 'latency_ms'>> = {}): Promise<Readiness> {
  const probed = await Promise.all(Object.entries(databases).map(async ([name, db]) => [name, await probe(db, name)] as const))
  const known = Object.entries(others).map(([name, state]) => [name, { ...state, latency_ms: 0 }] as const)
  const components = Object.fromEntries<Component>([...probed, ...known])
  return { status: Object.values(components).every((one) => one.ok) ? 'ok' : 'unavailable', components }
}

async function probe(db: Database, name: string): Promise<Component> {
  const started = performance.now()
  const elapsed = () => Math.round((performance.now() - started) * 10) / 10
  try {
    const [row] = await db.transaction({ role: name === 'worker' ? 'soma_worker' : 'soma_app', tenantId: null, readOnly: true, timeoutMs: 2_000 }, (tx) =>
      tx.query<{ version: number }>('select max(version) as version from schema_migrations'),
    )
    if ((row?.version ?? 0) < schemaVersion) return { ok: false, latency_ms: elapsed(), detail: 'the schema is older than this code: run npx soma migrate' }
    return { ok: true, latency_ms: elapsed() }
  } catch (error) {
    return { ok: false, latency_ms: elapsed(), detail: error instanceof AppError ? error.message : 'it cannot be used; the reason is in the log of the database' }
  }
}

/** Whoever asks waits no longer than this. */
const patienceMs = 2_000
/** What was answered, or a call that succeeded, holds for so long: who polls health brings nobody more calls. */
const freshMs = 10_000

/** Asks each dependency whether it is there, as far as nobody has just found out. `onAway` hears why one is not. */
export function dependencyHealth(dependables: Dependable[], onAway: (dependency: Dependency, reason: unknown) => void): () => Promise<Record<string, Component>> {
  const kept = new Map<Dependency, { until: number; answer: Promise<Component> }>()
  async function look({ dependency, breaker, ask, hint }: Dependable): Promise<Component> {
    const started = performance.now()
    const latency = () => Math.round((performance.now() - started) * 10) / 10
    if (breaker.sinceSuccess() * 1000 < freshMs) return { ok: true, latency_ms: 0, state: breaker.state() }
    const waiting = new AbortController()
    try {
      await Promise.race([
        ask(),
        sleep(patienceMs, undefined, { signal: waiting.signal }).then(() => {
          throw new Error(`no answer within ${patienceMs / 1000} s`)
        }),
      ])
      return { ok: true, latency_ms: latency(), state: breaker.state() }
    } catch (reason) {
      onAway(dependency, reason)
      return { ok: false, latency_ms: latency(), detail: `it cannot be used; the reason is in the log. Look at ${hint}`, state: breaker.state() }
    } finally {
      waiting.abort()
    }
  }
  return async () => {
    const answers = dependables.map(async (one) => {
      const known = kept.get(one.dependency)
      const fresh = known && performance.now() < known.until ? known : { until: performance.now() + freshMs, answer: look(one) }
      kept.set(one.dependency, fresh)
      return [one.dependency, await fresh.answer] as const
    })
    return Object.fromEntries(await Promise.all(answers))
  }
}
