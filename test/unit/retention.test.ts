import fc from 'fast-check'
import { expect, test } from 'vitest'
import { archiveName, digitsOf } from '../../shared/backup/index.ts'
import { buildable, type Keep, type KeptArchive, listArchives, removable, removeArchive } from '../../shared/recovery/index.ts'
import { archivesBefore } from '../../shared/recovery/retention.ts'
import { memoryStore } from '../support/archives.ts'

const day = 86_400_000
const now = new Date('2026-11-24T12:00:00Z')
const id = '1f2e3d4c-0000-4000-8000-000000000000'
const archive = (at: Date, whole = true): KeptArchive => ({ name: archiveName(at, id), at, installation: '1f2e3d4c', whole, builds: undefined })
const left = (all: KeptArchive[], keep: Keep, proved = new Set<string>()) => {
  const gone = new Set(removable(all, keep, proved, now))
  return all.filter((one) => !gone.has(one))
}
const dates = (kept: KeptArchive[]) => kept.map(({ at }) => at.toISOString().slice(0, 10))

test('the newest of each of the last days, weeks and months stay', () => {
  const daily = Array.from({ length: 120 }, (_, i) => archive(new Date(now.getTime() - (119 - i) * day)))
  expect(dates(left(daily, { daily: 3, weekly: 3, monthly: 3 }))).toEqual(['2026-09-30', '2026-10-31', '2026-11-15', '2026-11-22', '2026-11-23', '2026-11-24'])
  expect(dates(left(daily, { daily: 0, weekly: 0, monthly: 0 }))).toEqual(['2026-11-24'])
  // days without a backup do not count
  const seldom = [archive(new Date('2026-01-01T00:00:00Z')), archive(new Date('2026-03-01T00:00:00Z')), archive(new Date('2026-06-01T00:00:00Z'))]
  expect(left(seldom, { daily: 2, weekly: 0, monthly: 0 })).toEqual(seldom.slice(1))
})

test('two of a day: the newer one; all of the last 24 hours', () => {
  const two = [archive(new Date('2026-11-20T01:00:00Z')), archive(new Date('2026-11-20T02:00:00Z'))]
  const recent = [archive(new Date('2026-11-24T01:00:00Z')), archive(new Date('2026-11-24T02:00:00Z')), archive(new Date('2026-11-24T03:00:00Z'))]
  expect(left([...two, ...recent], { daily: 2, weekly: 0, monthly: 0 })).toEqual([two[1], ...recent])
})

const increment = (at: Date, on: KeptArchive, as: 'i' | 'r' = 'i', whole = true): KeptArchive => {
  const builds = { on: digitsOf(on.name), as }
  return { name: archiveName(at, id, builds), at, installation: '1f2e3d4c', whole, builds }
}

test('increments stay for as many days as there are daily backups, with all that they build on; then only full ones count', () => {
  const hours = (n: number) => new Date(now.getTime() - n * 3_600_000)
  const old = archive(hours(24 * 20))
  const oldIncrement = increment(hours(24 * 20 - 1), old)
  const full = archive(hours(24 * 3))
  const first = increment(hours(24 * 3 - 1), full)
  const second = increment(hours(24 * 3 - 2), first)
  const newest = archive(hours(2))
  const all = [old, oldIncrement, full, first, second, newest]
  expect(left(all, { daily: 4, weekly: 0, monthly: 0 })).toEqual([old, full, first, second, newest])
  expect(left(all, { daily: 2, weekly: 0, monthly: 0 })).toEqual([full, newest])
  expect(left(all, { daily: 0, weekly: 0, monthly: 0 })).toEqual([newest])
  // one that is proved holds what it builds on
  expect(left(all, { daily: 0, weekly: 0, monthly: 0 }, new Set([second.name]))).toEqual([full, first, second, newest])
  expect(left(all, { daily: 0, weekly: 0, monthly: 0 }, new Set([oldIncrement.name]))).toEqual([old, oldIncrement, newest])
})

test('one that was gone on with is a full backup, and holds what had been written of it', () => {
  const begun = archive(new Date(now.getTime() - 40 * day), false)
  const resumed = increment(new Date(now.getTime() - 39.9 * day), begun, 'r')
  const newest = archive(now)
  expect(left([begun, resumed, newest], { daily: 2, weekly: 0, monthly: 0 })).toEqual([begun, resumed, newest])
  expect(left([begun, resumed, newest], { daily: 1, weekly: 0, monthly: 0 })).toEqual([newest])
})

test('of a time: the newest of no later, with all that it builds on; and of one installation alone', () => {
  const full = archive(new Date('2026-11-20T01:00:00Z'))
  const first = increment(new Date('2026-11-20T02:00:00Z'), full)
  const second = increment(new Date('2026-11-20T03:00:00Z'), first)
  const broken = archive(new Date('2026-11-20T03:30:00Z'), false)
  const all = [full, first, second, broken]
  expect(archivesBefore(all, new Date('2026-11-20T02:59:59Z'))).toEqual([first, full])
  expect(archivesBefore(all, new Date('2026-12-20T00:00:00Z'))).toEqual([second, first, full])
  expect(archivesBefore([full, second], new Date('2026-12-20T00:00:00Z'))).toEqual([full])
  expect(() => archivesBefore(all, new Date('2026-11-20T00:59:59Z'))).toThrow(`There is no archive of 2026-11-20T00:59:59.000Z or before: the oldest is ${full.name}.`)
  expect(() => archivesBefore([full, { ...second, builds: undefined, installation: '00000000' }], now)).toThrow('There are archives of 2 installations (1f2e3d4c, 00000000)')
})

test('a chain is built on until it has forty archives; whole ones by increments, what was broken off by what goes on with it', () => {
  const chain = [archive(new Date('2026-11-20T00:00:00Z'))]
  for (let i = 1; i < 42; i++) chain.push(increment(new Date(Date.parse('2026-11-20T00:00:00Z') + i * 60_000), chain[i - 1] as KeptArchive))
  expect([...buildable(chain, 'i')]).toEqual(chain.slice(0, 39).map(({ name }) => name))
  const begun = archive(now, false)
  expect([...buildable([...chain, begun], 'r')]).toEqual([begun.name])
  // what has lost what it builds on is no base, and not the newest that is kept
  expect([...buildable(chain.slice(1), 'i')]).toEqual([])
  expect(left([archive(new Date('2026-10-01T00:00:00Z')), ...chain.slice(1, 3)], { daily: 0, weekly: 0, monthly: 0 })).toHaveLength(1)
})

test('what has no manifest goes after two days, and not before', () => {
  const [old, young] = [archive(new Date(now.getTime() - 3 * day), false), archive(new Date(now.getTime() - day), false)]
  expect(left([old, young], { daily: 7, weekly: 5, monthly: 12 })).toEqual([young])
})

test('property: the newest whole one and the newest proved one are never removed; what stays is what the policy says and these', () => {
  const some = fc.array(fc.record({ hours: fc.integer({ min: -48, max: 24 * 800 }), whole: fc.boolean(), proved: fc.boolean(), on: fc.option(fc.nat(59), { nil: undefined }) }), {
    maxLength: 60,
  })
  const keep = fc.record({ daily: fc.integer({ min: 0, max: 10 }), weekly: fc.integer({ min: 0, max: 10 }), monthly: fc.integer({ min: 0, max: 14 }) })
  fc.assert(
    fc.property(some, keep, (given, policy) => {
      const sorted = given.toSorted((a, b) => b.hours - a.hours)
      const all: (KeptArchive & { proved: boolean })[] = []
      for (const { hours, whole, proved, on } of sorted) {
        const base = on === undefined ? undefined : all[on]
        const at = new Date(now.getTime() - hours * 3_600_000)
        all.push({ ...(base ? increment(at, base, on && on % 2 ? 'r' : 'i', whole) : archive(at, whole)), proved })
      }
      const proved = new Set(all.filter((one) => one.proved).map(({ name }) => name))
      const stays = left(all, policy, proved)
      const newest = (list: KeptArchive[]) =>
        list.filter(({ whole }) => whole).reduce<number | undefined>((most, { at }) => Math.max(most ?? Number.NEGATIVE_INFINITY, at.getTime()), undefined)
      expect(newest(stays)).toBe(newest(all))
      expect(newest(stays.filter(({ name }) => proved.has(name)))).toBe(newest(all.filter(({ name }) => proved.has(name))))
      // nothing stays without what it builds on
      const digits = new Set(stays.map(({ name }) => digitsOf(name)))
      for (const { builds } of stays) if (builds) expect(digits.has(builds.on)).toBe(true)
      // but for increments, and what others build on, no more than the policy says
      const needed = new Set(stays.map(({ builds }) => builds?.on))
      const older = stays.filter(({ whole, at, builds, name }) => whole && builds?.as !== 'i' && !needed.has(digitsOf(name)) && now.getTime() - at.getTime() >= day)
      expect(older.length).toBeLessThanOrEqual(policy.daily + policy.weekly + policy.monthly + 2)
    }),
  )
})

test('a removal takes the manifest first, and nothing beside the archive', async () => {
  const store = memoryStore()
  const [first, second] = [archiveName(new Date('2026-01-01T00:00:00Z'), id), archiveName(new Date('2026-01-02T00:00:00Z'), '00000000-0000-4000-8000-000000000000')]
  for (const name of [first, second, 'by-hand']) for (const file of ['manifest.json', 'part-000001.soma']) store.files.set(`a/${name}/${file}`, Buffer.from('x'))
  store.files.set(`a/${first}-more/manifest.json`, Buffer.from('x'))
  const removed: string[] = []
  const told = { ...store, remove: async (key: string) => void removed.push(key) }
  await removeArchive(told, 'a', first)
  expect(removed).toEqual([`a/${first}/manifest.json`, `a/${first}/part-000001.soma`])
  expect((await listArchives(store, 'a')).map(({ name, whole }) => [name, whole])).toEqual([
    [first, true],
    [second, true],
  ])
  expect((await listArchives(store, 'a', id)).map(({ name }) => name)).toEqual([first])
  expect(await listArchives(store, '')).toEqual([])
})
