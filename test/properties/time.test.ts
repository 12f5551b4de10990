import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import type { Database } from '../../shared/db/index.ts'
import { hashEmbedder } from '../../shared/embed/index.ts'
import { forgetMemory, listMemories, memoryHistory, patchMemory, storeMemory } from '../../shared/memory/index.ts'
import { AppError } from '../../shared/problem/index.ts'
import { recall } from '../../shared/recall/index.ts'
import type { Ctx } from '../../shared/tenant/index.ts'
import { adminSql, loseWakeUps } from '../db/admin.ts'
import { describeEngines } from '../support/engines.ts'

const full = process.env.SOMA_FULL === '1'
const words = ['amber', 'birch', 'cedar', 'delta', 'ember'] as const
const year = (n: number) => `20${10 + n}-01-01T00:00:00.000Z`

type Step =
  | { kind: 'store'; word: number; from: number | null; to: number | null; held: boolean }
  | { kind: 'patch'; at: number; word: number }
  | { kind: 'forget'; at: number }
  | { kind: 'supersede'; at: number; word: number }
  | { kind: 'look' }
  | { kind: 'commit' }
/** What the model knows of one version: its text, its validity, and from when to when it was the platform's knowledge. */
type Known = { id: string; word: string; from: string | null; to: string | null; since: number; until: number }

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('store' as const), word: fc.nat(4), from: fc.option(fc.nat(3)), to: fc.option(fc.integer({ min: 4, max: 8 })), held: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('patch' as const), at: fc.nat(20), word: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('forget' as const), at: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('supersede' as const), at: fc.nat(20), word: fc.nat(4) }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'look' as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'commit' as const }) },
) satisfies fc.Arbitrary<Step>

/** A database whose next write transaction stays open, its work done, until it is let go. */
function holding(db: Database): { db: Database; worked: Promise<void>; letGo(): void } {
  const worked = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  const hold: Database['transaction'] = (access, work) =>
    db.transaction(access, async (tx) => {
      const result = await work(tx)
      worked.resolve()
      await go.promise
      return result
    })
  return { db: { ...db, transaction: hold, statement: (access, text, values) => hold(access, (tx) => tx.query(text, values)) }, worked: worked.promise, letGo: () => go.resolve() }
}

describeEngines('random histories, looked back upon', (product) => {
  beforeAll(() => loseWakeUps(product()))

  test('every instant shows what a plain model says was known and true then, and keeps showing it, whatever is open meanwhile and comes later', async () => {
    // the embedded engine has one connection: nothing can stay open beside a question
    const canHold = product().engine !== 'pglite'
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 24 }), async (steps) => {
        const ctx = product().ctx(await product().tenant())
        const versions: Known[] = []
        const instants: number[] = []
        const open: { held: ReturnType<typeof holding>; done: Promise<{ memory: { id: string; updated_at?: string } }>; step: Extract<Step, { kind: 'store' }>; since: number }[] =
          []
        const now = async () => {
          await sleep(2)
          const [row] = await adminSql<{ now: Date }>(product(), 'select change_instant() as now')
          await sleep(2)
          return (row as { now: Date }).now.getTime()
        }
        const learn = (id: string, word: string, from: string | null, to: string | null, at: string) => {
          const since = Date.parse(at)
          for (const known of versions) if (known.id === id && known.until === Number.POSITIVE_INFINITY) known.until = since
          versions.push({ id, word, from, to, since, until: Number.POSITIVE_INFINITY })
        }
        const current = () => versions.filter((known) => known.until === Number.POSITIVE_INFINITY)
        const commitOldest = async () => {
          const first = open.shift()
          if (!first) return
          first.held.letGo()
          const { memory } = await first.done
          const { word, from, to } = first.step
          learn(memory.id, words[word] as string, from === null ? null : year(from), to === null ? null : year(to), memory.updated_at as string)
        }
        // the first store of a namespace makes others wait for it: that is done before anything is held open
        const { memory: first } = (await storeMemory(ctx, { text: words[0] })) as { memory: { id: string; updated_at: string } }
        learn(first.id, words[0], null, null, first.updated_at)
        for (const one of steps) {
          const target = 'at' in one && current().length ? (current()[one.at % current().length] as Known) : undefined
          if (one.kind === 'store') {
            const body = { text: words[one.word], ...(one.from === null ? {} : { valid_from: year(one.from) }), ...(one.to === null ? {} : { valid_to: year(one.to) }) }
            if (one.held && canHold && open.length < 3) {
              const since = await now()
              const held = holding(ctx.app)
              const done = storeMemory({ ...ctx, app: held.db }, body) as Promise<{ memory: { id: string } }>
              await held.worked
              open.push({ held, done, step: one, since })
            } else {
              const { memory } = (await storeMemory(ctx, body)) as { memory: { id: string; updated_at: string } }
              learn(memory.id, words[one.word] as string, body.valid_from ?? null, body.valid_to ?? null, memory.updated_at)
            }
          } else if (one.kind === 'patch' && target) {
            const { memory } = await patchMemory(ctx, target.id, { text: words[one.word] }, {})
            learn(target.id, words[one.word] as string, target.from, target.to, memory.updated_at)
          } else if (one.kind === 'forget' && target) {
            await forgetMemory(ctx, target.id, {})
            const last = (await memoryHistory(ctx, target.id)).items.at(-1)
            target.until = Date.parse(last?.updated_at as string)
          } else if (one.kind === 'supersede' && target) {
            const stored = await storeMemory(ctx, { text: words[one.word], supersedes: target.id }).catch((error) => {
              // it was superseded before
              if (error instanceof AppError && error.code === 'conflict') return undefined
              throw error
            })
            if (!stored) continue
            const memory = stored.memory as { id: string; updated_at: string }
            const until = [target.to, memory.updated_at].filter((time) => time !== null).sort()[0] as string
            learn(target.id, target.word, target.from, until, memory.updated_at)
            learn(memory.id, words[one.word] as string, null, null, memory.updated_at)
          } else if (one.kind === 'commit') await commitOldest()
          else if (one.kind === 'look') {
            const at = await now()
            // while something from before is open the instant is refused, and never answered in part
            if (open.length) {
              await expect(listMemories(ctx, { as_of: new Date(at).toISOString() })).rejects.toMatchObject({ code: 'invalid' })
              const settled = Math.min(...open.map((held) => held.since))
              await compare(ctx, versions, settled, settled)
            } else instants.push(at)
            for (const instant of instants) await compare(ctx, versions, instant, instant)
          }
        }
        while (open.length) await commitOldest()
        for (const instant of instants) for (const valid of [instant, Date.parse(year(2)), Date.parse(year(6))]) await compare(ctx, versions, instant, valid)
      }),
      { numRuns: full ? 60 : 6 },
    )
  })

  async function compare(ctx: Ctx, versions: Known[], knownAt: number, validAt: number): Promise<void> {
    const valid = new Date(validAt).toISOString()
    const expected = versions
      .filter((one) => one.since <= knownAt && one.until > knownAt && (one.from === null || one.from <= valid) && (one.to === null || one.to > valid))
      .map((one) => `${one.id} ${one.word}`)
      .sort()
    const when = { as_of: new Date(knownAt).toISOString(), ...(validAt === knownAt ? {} : { valid_at: valid }) }
    const of = (items: { id: string; text: string }[]) => items.map((one) => `${one.id} ${one.text}`).sort()
    expect(of((await listMemories(ctx, { ...when, limit: 500 })).items)).toEqual(expected)
    const deps = { embedder: hashEmbedder(384), generation: async () => 1, onDegraded: (reason: string) => expect(reason).toBeUndefined() }
    const found = await recall(ctx, deps, { query: words.join(' '), mode: 'lexical', top_k: 100, ...when })
    expect(of(found.results)).toEqual(expected)
  }
})
