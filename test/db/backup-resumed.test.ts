import { expect, test } from 'vitest'
import { restore } from '../../shared/backup/index.ts'
import type { BlobStore } from '../../shared/blob/index.ts'
import { listArchives, removable } from '../../shared/recovery/index.ts'
import { busyTenant, firstKey, memoryStore, restorable, withTarget } from '../support/archives.ts'
import { describeEngines } from '../support/engines.ts'
import { at, totals, untilOld, written } from '../support/increments.ts'
import { adminSql, loseWakeUps } from './admin.ts'

type Files = BlobStore & { files: Map<string, Buffer> }

/** A store whose process is killed before its call number `last + 1`: from there on nothing is written or removed any more, also not by who would clean up. */
function dying(store: Files, last: number): { store: BlobStore; calls: () => number } {
  let calls = 0
  const unlessDead = <T>(work: () => Promise<T>): Promise<T> => (calls++ < last ? work() : Promise.reject(new Error('killed')))
  return {
    calls: () => calls,
    store: {
      ...store,
      put: (key, content, options) => unlessDead(() => store.put(key, content, options)),
      remove: (key) => unlessDead(() => store.remove(key)),
    },
  }
}
const keep = { daily: 7, weekly: 5, monthly: 12 }

describeEngines(
  'a backup that is killed',
  (product) => {
    test('at any of its steps leaves nothing that passes for an archive, and the next one goes on with it', async () => {
      await loseWakeUps(product())
      for (let i = 0; i < 2; i++) await busyTenant(product())
      await untilOld(product())
      const told = { key: firstKey, partBytes: 6_000 }
      const whole = dying(memoryStore(), Number.POSITIVE_INFINITY)
      const reference = await written(product(), whole.store, told)
      await adminSql(product(), 'delete from backup_states')
      const steps = whole.calls()
      expect(reference.parts).toBeGreaterThan(3)
      let resumed = 0
      for (let last = 0; last < steps; last++) {
        const store = memoryStore()
        // the last step removes what said how far it was, when it is whole already
        if (last === steps - 1) expect(await written(product(), dying(store, last).store, told)).toMatchObject({ base: null })
        else await expect(written(product(), dying(store, last).store, told), `step ${last}`).rejects.toThrow('killed')
        const before = await listArchives(store, 'kept')
        expect(before.filter((one) => one.whole)).toHaveLength(last === steps - 1 ? 1 : 0)
        const next = await written(product(), store, told)
        expect(await totals(at(store, next.name), firstKey), `step ${last}`).toEqual(await totals(at(whole.store, reference.name), firstKey))
        if (next.base) {
          resumed += 1
          expect(next).toMatchObject({ kind: 'full', base: before[0]?.name, name: expect.stringMatching(/-r[0-9a-f]{8}$/) })
          expect(next.rows).toBeLessThan(reference.rows)
          // what it goes on with stays as long as it does
          expect(removable(await listArchives(store, 'kept'), keep, new Set(), new Date(Date.now() + 10 * 86_400_000))).toEqual([])
        }
        await adminSql(product(), 'delete from backup_states')
      }
      expect(resumed).toBeGreaterThan(2)
    })

    test('says of itself that it is not whole, under any name', async () => {
      const store = memoryStore()
      await busyTenant(product())
      await expect(written(product(), dying(store, 6).store, { partBytes: 4_000 })).rejects.toThrow('killed')
      const [begun] = await listArchives(store, 'kept')
      const name = `kept/${begun?.name}`
      store.files.set(`${name}/manifest.json`, store.files.get(`${name}/unfinished.json`) as Buffer)
      await expect(totals(at(store, begun?.name as string))).rejects.toThrow('somebody has renamed it')
    })

    test('twice goes on twice, over what changed meanwhile, and a restore has everything', async () => {
      const store = memoryStore()
      const caller = await busyTenant(product())
      const told = { key: firstKey, partBytes: 4_000 }
      for (const last of [6, 5]) {
        await expect(written(product(), dying(store, last).store, told)).rejects.toThrow('What it had written stays: the next one goes on with it.')
        await product().call(caller, 'POST', '/v1/memories', { text: `between ${last}`, coord: '0,1.5' })
        await product().call(caller, 'POST', '/v1/memories/forget', { filters: { metadata: { i: last } }, dry_run: false })
        await product().settle()
      }
      const increment = await written(product(), store, { kind: 'increment', key: firstKey })
      expect(increment).toMatchObject({ kind: 'full', base: expect.stringMatching(/-r/) })
      const before = await restorable(product())
      await withTarget(product().engine, async (target) => {
        expect(await restore(target.local.db.owner, at(store, increment.name), { key: firstKey })).toMatchObject({ archives: 3 })
        expect(await restorable(target)).toEqual(before)
      })
    })
  },
  ['postgres 18', 'postgres 16'],
)
