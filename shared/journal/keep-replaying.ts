import { setTimeout as sleep } from 'node:timers/promises'
import type { Journal } from './journal.ts'
import type { ReplayPass } from './replay.ts'

const lookMs = 1_000
const longestWaitMs = 10_000
const shipAgainMs = 60_000

export type ReplayHooks = { onReplayed(pass: ReplayPass): void; onShipped(keys: string[]): void; onError(error: unknown, doing: 'replay' | 'ship'): void }

/** Stores what is in the journal as soon as the database answers, and ships what is finished, until it is stopped. */
export function keepReplaying(journal: Journal, hooks: ReplayHooks): { stop(): Promise<void> } {
  const stopping = new AbortController()
  const { signal } = stopping
  let waitMs = lookMs
  // at the start there may be files that an earlier process finished
  let shipAt: number | undefined = 0

  async function replay(): Promise<void> {
    if (journal.pending() === 0) return
    try {
      const pass = await journal.run(signal)
      const moved = pass.stored + pass.failed > 0
      waitMs = moved ? lookMs : Math.min(longestWaitMs, waitMs * 2)
      if (moved) hooks.onReplayed(pass)
      if (moved) shipAt = 0
    } catch (error) {
      waitMs = Math.min(longestWaitMs, waitMs * 2)
      hooks.onError(error, 'replay')
    }
  }
  async function ship(): Promise<void> {
    if (shipAt === undefined || performance.now() < shipAt) return
    try {
      const keys = await journal.ship()
      shipAt = undefined
      if (keys.length) hooks.onShipped(keys)
    } catch (error) {
      shipAt = performance.now() + shipAgainMs
      hooks.onError(error, 'ship')
    }
  }
  async function loop(): Promise<void> {
    while (!signal.aborted) {
      await replay()
      await ship()
      await sleep(waitMs, undefined, { signal, ref: false }).catch(() => {})
      if (journal.pending() === 0) waitMs = lookMs
    }
  }
  const looping = loop()
  return {
    async stop() {
      stopping.abort()
      await looping
    },
  }
}
