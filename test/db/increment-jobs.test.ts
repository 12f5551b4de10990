import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createDrill } from '../../functions/drill/handler.ts'
import { createKeepBackups } from '../../functions/keep-backups/handler.ts'
import { createRestore } from '../../functions/restore/handler.ts'
import { archiveOfTime, recoveryState } from '../../shared/recovery/index.ts'
import { busyTenant, firstKey, memoryStore, restorable, withTarget } from '../support/archives.ts'
import { describeEngines, type Product } from '../support/engines.ts'
import { adminSql, loseWakeUps } from './admin.ts'

/** Names of archives tell the second. */
const nextSecond = () => sleep(1_005 - (Date.now() % 1_000))
const signal = new AbortController().signal
/** As if all that was done had been done so long ago. */
const later = (product: Product, hours: number) => {
  const moved = ['requested_at', 'started_at', 'ended_at', 'instant'].map((column) => `${column} = ${column} - make_interval(hours => ${hours})`)
  return adminSql(product, `update recovery_runs set ${moved.join(', ')}`)
}

describeEngines(
  'the job keep-backups',
  (product) => {
    test('writes increments between full backups, which a drill proves with all that they build on, and which a restore goes back to by time', { timeout: 120_000 }, async () => {
      await loseWakeUps(product())
      await adminSql(product(), 'delete from recovery_runs')
      const { worker, owner } = product().local.db
      const store = memoryStore()
      const archives = { store: async () => store, prefix: 'kept', key: firstKey }
      const backups = createKeepBackups({ ...archives, worker, everyHours: 24, incrementHours: 1, keep: { daily: 7, weekly: 5, monthly: 12 }, pace: 0.9 })
      const drills = createDrill({ ...archives, owner, worker, signingKey: 'a signing key of tests', everyHours: 168, mostGigabytes: 50 })
      const caller = await busyTenant(product())
      const nothing = { done: 0, remaining: false }
      const full = (await backups(signal)).detail as { name: string }
      expect(full).toMatchObject({ kind: 'full', base: null, removed: [] })
      expect(await backups(signal)).toEqual(nothing)
      await later(product(), 2)
      await nextSecond()
      await product().call(caller, 'POST', '/v1/memories', { text: 'in the first increment' })
      await product().settle()
      const then = await restorable(product())
      const first = (await backups(signal)).detail as { name: string; created_at: string }
      expect(first).toMatchObject({ kind: 'increment', base: full.name })
      const between = new Date().toISOString()
      expect(await backups(signal)).toEqual(nothing)
      expect((await recoveryState(worker))[0]).toMatchObject({ kind: 'backup', ok: true, every: 3_600 })
      await product().call(caller, 'POST', '/v1/memories', { text: 'in the second increment' })
      await product().settle()
      // one that took six minutes is not repeated within the five hours of which that is a fiftieth
      await adminSql(product(), `update recovery_runs set started_at = ended_at - interval '6 minutes' where archive = '${first.name}'`)
      await later(product(), 4)
      expect(await backups(signal)).toEqual(nothing)
      expect((await recoveryState(worker))[0]?.every).toBeCloseTo(5 * 3_600, 3)
      await later(product(), 2)
      await nextSecond()
      const second = (await backups(signal)).detail as { name: string }
      expect(second).toMatchObject({ kind: 'increment', base: first.name })
      const { detail: report } = await drills(signal)
      expect(report).toMatchObject({ ok: true, archive: second.name, tenants: expect.any(Number), recall: { overlap: 1 } })
      expect(JSON.stringify(report)).toContain('with 2 that it builds on, are whole, down to each row.')
      // what somebody asked for stands by itself
      await adminSql(product(), `insert into recovery_runs (run_id, kind, state, requested_by) values (gen_random_uuid(), 'backup', 'requested', 'somebody')`)
      expect((await backups(signal)).detail).toMatchObject({ kind: 'full', base: null })
      // a day later it is a full one's turn
      await later(product(), 25)
      expect((await backups(signal)).detail).toMatchObject({ kind: 'full', base: null })
      await withTarget(product().engine, async (target) => {
        const restoreAt = (at: string) => createRestore({ owner: target.local.db.owner, ...archives, from: undefined, at })(signal)
        await expect(restoreAt('2020-01-01T00:00:00Z')).rejects.toThrow('There is no archive of 2020-01-01T00:00:00.000Z or before')
        // an archive is of its instant, not of the second in which it was begun
        const home = { store, prefix: 'kept' }
        expect(await archiveOfTime(home, firstKey, new Date(Date.parse(first.created_at) - 1))).toBe(full.name)
        expect(await archiveOfTime(home, firstKey, new Date(first.created_at))).toBe(first.name)
        expect(await restoreAt(between)).toMatchObject({ detail: { archives: 2 } })
        expect(await restorable(target)).toEqual(then)
      })
      // the drill of what is damaged in the archive that it builds on says so, and the next backup stands by itself
      const part = `kept/${full.name}/part-000001.soma`
      const bytes = store.files.get(part) as Buffer
      store.files.set(part, bytes.subarray(0, -1))
      for (const file of [...store.files.keys()]) if (![full.name, first.name, second.name].some((name) => file.includes(name))) store.files.delete(file)
      await adminSql(product(), `insert into recovery_runs (run_id, kind, state, requested_by) values (gen_random_uuid(), 'drill', 'requested', 'somebody')`)
      await expect(drills(signal)).rejects.toThrow(`archive: The archive builds on ${full.name}, which cannot be read: The part part-000001.soma of the archive has`)
    })
  },
  ['pglite', 'postgres 18'],
)
