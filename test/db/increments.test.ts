import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openArchive, restore } from '../../shared/backup/index.ts'
import { busyTenant, firstKey, memoryStore, restorable, withTarget } from '../support/archives.ts'
import { type Caller, describeEngines, type Product } from '../support/engines.ts'
import { at, totals, untilOld, written } from '../support/increments.ts'
import { adminSql, loseWakeUps } from './admin.ts'

/** What may happen between two backups, each by the API or a job; `n` picks among what is there. */
const happenings: Record<string, (product: Product, caller: Caller, n: number) => Promise<unknown>> = {
  store: ({ call }, caller, n) => call(caller, 'POST', '/v1/memories', { text: `fact ${n} of tea`, user_id: `user ${n % 3}`, session_id: `s ${n % 2}` }),
  bulk: ({ call }, caller, n) =>
    call(caller, 'POST', '/v1/memories/bulk', { items: Array.from({ length: 4 }, (_, i) => ({ text: `bulk ${n} ${i}`, coord: `${n % 5},${i % 2}` })) }),
  change: async (product, caller, n) => product.call(caller, 'PATCH', `/v1/memories/${await pick(product, caller, n)}`, { text: `changed ${n}`, tags: ['t'] }),
  forget: async (product, caller, n) => product.call(caller, 'DELETE', `/v1/memories/${await pick(product, caller, n)}`),
  link: async (product, caller, n) => product.call(caller, 'POST', '/v1/links', { from: await pick(product, caller, n), to: await pick(product, caller, n + 1), weight: n + 1 }),
  settle: (product) => product.settle(),
  expire: (product) => product.local.runJob('expire'),
  sweep: async (product, caller) => {
    await adminSql(product, `update idempotency set created_at = now() - interval '2 days' where tenant_id = ${caller.tenantId}`)
    await product.local.runJob('sweep')
  },
  async erase(product, caller, n) {
    const gone = `select memory_key, version from memory_versions where tenant_id = ${caller.tenantId} and state = 'closed' and memory_key % 7 = ${n % 7}`
    for (const table of ['closed_postings', 'closed_vectors', 'memory_versions'])
      await adminSql(product, `delete from ${table} where tenant_id = ${caller.tenantId} and (memory_key, version) in (${gone})`)
  },
  tenant: (product) => product.tenant(),
  vacuum: (product) => (product.engine === 'pglite' ? Promise.resolve() : adminSql(product, 'vacuum (freeze) memories')),
}
async function pick({ call }: Product, caller: Caller, n: number): Promise<string> {
  const { body } = await call(caller, 'POST', '/v1/memories/list', { limit: 100 })
  return body.items[n % Math.max(1, body.items.length)]?.id ?? '00000000-0000-7000-8000-000000000000'
}
const history = fc.array(fc.array(fc.record({ what: fc.constantFrom(...Object.keys(happenings)), n: fc.nat(50) }), { minLength: 1, maxLength: 5 }), { minLength: 2, maxLength: 3 })

describeEngines('increments', (product) => {
  test('property: with what they build on, they hold what a full backup holds of the same instant, whatever happened between', async () => {
    await loseWakeUps(product())
    await fc.assert(
      fc.asyncProperty(history, async (rounds) => {
        const store = memoryStore()
        const caller = await busyTenant(product())
        await written(product(), store, { key: firstKey })
        for (const round of rounds) {
          for (const { what, n } of round) await happenings[what]?.(product(), caller, n)
          const increment = await written(product(), store, { kind: 'increment', key: firstKey })
          expect(increment).toMatchObject({ kind: 'increment', base: expect.any(String) })
          const full = await written(product(), store, { key: firstKey })
          expect(await totals(at(store, increment.name), firstKey), JSON.stringify(round)).toEqual(await totals(at(store, full.name), firstKey))
          // the next increment builds on the increment, not on what it was compared with
          await adminSql(product(), `delete from backup_states where archive = '${full.name}'`)
        }
      }),
      { numRuns: process.env.SOMA_FULL === '1' ? 20 : 2, endOnFailure: true },
    )
  }, 120_000)

  test('of what has not changed holds nothing, and a restore of one has everything', async () => {
    const store = memoryStore()
    await loseWakeUps(product())
    const caller = await busyTenant(product())
    await untilOld(product())
    const full = await written(product(), store, { key: firstKey })
    await product().call(caller, 'POST', '/v1/memories', { text: 'the only new one' })
    await untilOld(product())
    const first = await written(product(), store, { kind: 'increment', key: firstKey })
    const second = await written(product(), store, { kind: 'increment', key: firstKey })
    expect(first.tables).toMatchObject({ memories: 1, vectors: 0, memory_versions: 0, closed_vectors: 0 })
    expect(first.total_rows).toBeGreaterThan(full.total_rows)
    expect(second.tables).toMatchObject({ memories: 0, vectors: 0, memory_versions: 0, memory_events: 0, links: 0, audit_log: 0 })
    expect(first.name.endsWith(`-i${full.name.split('-')[2]}`)).toBe(true)
    expect(second.base).toBe(first.name)
    const before = await restorable(product())
    await withTarget(product().engine, async (target) => {
      const report = await restore(target.local.db.owner, at(store, second.name), { key: firstKey })
      expect(report).toMatchObject({ archives: 3, rows: second.total_rows, tables: { memories: before.memories?.length } })
      expect(await restorable(target)).toEqual(before)
      // what comes after a restore is a generation of its own, which builds on nothing before it
      const next = await written(target, store, { kind: 'increment', key: firstKey })
      expect(next).toMatchObject({ kind: 'full', base: null })
    })
  })

  test('are not written where nothing fits: another key, a base that is gone, a copy of the database, a generation that ended', async () => {
    const store = memoryStore()
    const increment = (key = firstKey) => written(product(), store, { kind: 'increment', key })
    const full = await written(product(), store, { key: firstKey })
    expect(await written(product(), store, { kind: 'increment' })).toMatchObject({ kind: 'full', base: null, encrypted: false })
    expect(await increment()).toMatchObject({ kind: 'increment', base: full.name })
    await adminSql(product(), `delete from backup_states where archive <> '${full.name}'`)
    // in a copy rows are written by other transactions than the ones that they name
    await adminSql(product(), `update backup_states set whole = whole`)
    expect(await increment()).toMatchObject({ kind: 'full' })
    const [newest] = await adminSql<{ archive: string }>(product(), 'select archive from backup_states order by written_at desc limit 1')
    for (const key of [...store.files.keys()]) if (key.includes(newest?.archive as string)) store.files.delete(key)
    await adminSql(product(), `delete from backup_states where archive = '${full.name}'`)
    expect(await increment()).toMatchObject({ kind: 'full' })
    await adminSql(product(), 'update installation set generation = generation + 1')
    expect(await increment()).toMatchObject({ kind: 'full' })
    const other = async (change: string) => {
      await written(product(), store, { key: firstKey })
      await adminSql(product(), `update backup_states set ${change}, xid = pg_current_xact_id()`)
      return increment()
    }
    expect(await other(`snapshot = '1:1:'`)).toMatchObject({ kind: 'increment' })
    expect(await other(`schema_version = 1`)).toMatchObject({ kind: 'full' })
    expect(await other(`snapshot = '9000000000:9000000000:'`)).toMatchObject({ kind: 'full' })
    expect(await other(`origin = '1 1'`)).toMatchObject({ kind: 'full' })
  })

  test('of a tenant whose tables were emptied sum its words anew', async () => {
    await loseWakeUps(product())
    const store = memoryStore()
    const caller = await busyTenant(product())
    await written(product(), store, { key: firstKey })
    for (const table of ['memory_versions', 'closed_postings', 'closed_vectors']) await adminSql(product(), `delete from ${table} where tenant_id = ${caller.tenantId}`)
    const increment = await written(product(), store, { kind: 'increment', key: firstKey })
    const full = await written(product(), store, { key: firstKey })
    const wordsOf = async (name: string) => (await openArchive(at(store, name), firstKey)).manifest.words
    expect(await wordsOf(increment.name)).toEqual(await wordsOf(full.name))
    expect(increment.base).not.toBeNull()
  })

  test('name what is damaged in an archive that they build on', async () => {
    const store = memoryStore()
    const caller = await busyTenant(product())
    const full = await written(product(), store, { key: firstKey })
    await product().call(caller, 'POST', '/v1/memories', { text: 'new' })
    const increment = await written(product(), store, { kind: 'increment', key: firstKey })
    const opened = () => totals(at(store, increment.name), firstKey)
    const keyOf = (file: string) => `kept/${full.name}/${file}`
    const [part, manifest] = [store.files.get(keyOf('part-000001.soma')) as Buffer, store.files.get(keyOf('manifest.json')) as Buffer]
    store.files.delete(keyOf('part-000001.soma'))
    await expect(opened()).rejects.toThrow(`The archive builds on ${full.name}, which cannot be read: The part part-000001.soma of the archive is missing.`)
    const damaged = Buffer.from(part)
    damaged[part.length >> 1] = (damaged[part.length >> 1] as number) ^ 16
    store.files.set(keyOf('part-000001.soma'), damaged)
    await expect(opened()).rejects.toThrow(/authentication fails|damaged|names the key|holds rows/)
    store.files.set(keyOf('part-000001.soma'), part)
    store.files.delete(keyOf('manifest.json'))
    await expect(opened()).rejects.toThrow(`The archive builds on ${full.name}, which cannot be read: There is no archive here: manifest.json is missing.`)
    // another archive under the name of the one that is gone
    const other = await written(product(), store, { key: firstKey })
    for (const file of ['part-000001.soma', 'manifest.json']) store.files.set(keyOf(file), store.files.get(`kept/${other.name}/${file}`) as Buffer)
    await expect(opened()).rejects.toThrow(`The archive builds on ${full.name}, and what lies there is another archive.`)
    store.files.set(keyOf('part-000001.soma'), part)
    store.files.set(keyOf('manifest.json'), manifest)
    expect((await openArchive(at(store, increment.name), firstKey)).before?.manifest.archive_id).toBe(full.archive_id)
    await opened()
  })
})

describeEngines(
  'an increment on a Postgres that is at work',
  (product) => {
    test.each(['', 'savepoint before_the_row'])('has what was written before the archive that it builds on and committed after it (%s)', async (savepoint) => {
      // a drain of what was stored would change rows between the two that are compared
      await loseWakeUps(product())
      const store = memoryStore()
      const caller = await busyTenant(product())
      let commit = () => {}
      let begun = () => {}
      const held = new Promise<void>((resolve) => {
        commit = resolve
      })
      const there = new Promise<void>((resolve) => {
        begun = resolve
      })
      const late = product().local.db.worker.transaction({ role: 'soma_worker', tenantId: caller.tenantId, timeoutMs: 60_000 }, async (tx) => {
        await tx.query(
          `update memories set importance = 2 where tenant_id = ${caller.tenantId} and memory_key = (select min(memory_key) from memories where tenant_id = ${caller.tenantId})`,
        )
        if (savepoint) await tx.query(savepoint)
        await tx.query(`insert into audit_log (tenant_id, at, actor, action, target) values (${caller.tenantId}, now(), 'late', 'late', 'late')`)
        await tx.query(`delete from links where tenant_id = ${caller.tenantId}`)
        begun()
        await held
      })
      await there
      // transactions that begin and end meanwhile: the one that is open is not the last that the snapshot knows of
      await product().call(caller, 'POST', '/v1/memories', { text: 'meanwhile' })
      await written(product(), store)
      commit()
      await late
      const increment = await written(product(), store, { kind: 'increment' })
      expect(increment).toMatchObject({ kind: 'increment' })
      const full = await written(product(), store)
      expect(await totals(at(store, increment.name))).toEqual(await totals(at(store, full.name)))
    })
  },
  ['postgres 18', 'postgres 16'],
)
