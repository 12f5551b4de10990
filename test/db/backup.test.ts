import { beforeAll, describe, expect, test } from 'vitest'
import { archivedTables, type BackupKey, backUp, openArchive, type Place, readBackupKey, rebuiltTables, remadeTables, restore, verifyArchive } from '../../shared/backup/index.ts'
import { generationReader } from '../../shared/outbox/index.ts'
import { tenantTables } from '../http/checks.ts'
import { answersOf, backedUp, busyTenant, dump, firstKey, memoryStore, restorable, targets, withTarget } from '../support/archives.ts'
import { type Caller, describeEngines } from '../support/engines.ts'
import { adminSql, capture, loseWakeUps } from './admin.ts'

/** What an archive says of every table. Held against another archive and not against a database at work, which counts the recalls of earlier tests when it gets to it. */
const tablesOf = async (place: Place, key?: BackupKey) => (await openArchive(place, key)).manifest.tables

describeEngines('a backup', (product) => {
  test('knows every table of tenants: it is in the archive, or a restore makes it again', async () => {
    expect([...archivedTables, ...rebuiltTables, ...remadeTables].sort()).toEqual(await tenantTables(product()))
  })

  describe('of two busy tenants', () => {
    let callers: Caller[] = []
    let before: Record<string, string[]> = {}
    let place: Place
    beforeAll(async () => {
      await loseWakeUps(product())
      callers = [await busyTenant(product()), await busyTenant(product())]
      before = await restorable(product())
      place = (await backedUp(product(), firstKey)).place
    })

    test('has something of every table', () => {
      for (const table of [...archivedTables, ...rebuiltTables]) expect([table, before[table]?.length]).not.toEqual([table, 0])
    })

    test.each(targets)(
      'brings back every row on %s: words, vectors, history, events, keys; and the same answers',
      async (engine) => {
        await withTarget(engine, async (target) => {
          const report = await restore(target.local.db.owner, place, { key: firstKey })
          expect(report).toMatchObject({ generation: 2, encrypted: true, tables: { memories: before.memories?.length, vectors: before.vectors?.length } })
          expect(await restorable(target)).toEqual(before)
          expect(await tablesOf((await backedUp(target)).place)).toEqual(await tablesOf(place, firstKey))
          const between = engine === product().engine ? 'same engine' : 'engines'
          for (const caller of callers) expect(await answersOf(target, caller, between)).toEqual(await answersOf(product(), caller, between))
        })
        // it opens an engine of its own, for which a hook would have a minute
      },
      90_000,
    )
  })

  test('says what it holds, and its own check finds it whole', async () => {
    const store = memoryStore()
    const report = await backUp(product().local.db.worker, { store, prefix: 'somewhere/deep' })
    expect([...store.files.keys()]).toEqual(['somewhere/deep/part-000001.soma', 'somewhere/deep/manifest.json'])
    expect(report).toMatchObject({ encrypted: false, parts: 1, bytes: [...store.files.values()].reduce((sum, file) => sum + file.length, 0) })
    const archive = await openArchive({ store, prefix: 'somewhere/deep' }, undefined)
    expect(await verifyArchive(archive, true)).toMatchObject({ rows: report.rows, encrypted: false })
    expect(archive.manifest.encryption).toBeNull()
  })

  test('keeps no text in the clear when it has a key', async () => {
    const caller = await product().tenant()
    await product().call(caller, 'POST', '/v1/memories', { text: 'unmistakable-xyzzy' })
    const { files } = await backedUp(product(), firstKey)
    for (const file of files.values()) expect(file.includes('xyzzy') || file.includes(caller.tenant)).toBe(false)
  })

  test('refuses a place that holds something, and removes what it wrote when it is stopped', async () => {
    const store = memoryStore(new Map([['note', Buffer.from('mine')]]))
    await expect(backUp(product().local.db.worker, { store, prefix: '' })).rejects.toThrow('There is something already')
    const ending = new AbortController()
    const stopped = memoryStore()
    await expect(backUp(product().local.db.worker, { store: stopped, prefix: '' }, { signal: ending.signal, onProgress: () => ending.abort() })).rejects.toThrow(
      'The backup was stopped',
    )
    expect(stopped.files.size).toBe(0)
  })

  test('after a restore, events that waited are published in the new generation, in their order, and new rows get keys of their own', async () => {
    await loseWakeUps(product())
    const caller = await product().tenant()
    const stored: string[] = []
    for (const text of ['one', 'two', 'three']) stored.push((await product().call(caller, 'POST', '/v1/memories', { text })).body.id)
    const t = caller.tenantId
    await adminSql(product(), `update outbox set status = 'leased', lease_owner = gen_random_uuid(), lease_expires_at = now() where tenant_id = ${t} and id = '${stored[0]}'`)
    await adminSql(product(), `update outbox set next_attempt_at = now() + interval '2 minutes' where tenant_id = ${t} and id = '${stored[2]}'`)
    const { place } = await backedUp(product())
    await withTarget(product().engine, async (target) => {
      const { generation } = await restore(target.local.db.owner, place)
      // the one that failed before waits for its time, and there is a row that says when
      const [turn] = await adminSql<{ n: number }>(target, `select count(*)::integer as n from outbox_ready where tenant_id = ${t} and not_before > now() + interval '1 minute'`)
      expect(turn?.n).toBe(1)
      const outbox = capture(target)
      await outbox.drain()
      const events = outbox.of(caller).map(({ value }) => JSON.parse(value as string))
      expect(events.map(({ id, generation: of }) => [id, of])).toEqual([stored[0], stored[1]].map((id) => [id, generation]))
      const next = await target.call(caller, 'POST', '/v1/memories', { text: 'four', user_id: 'new' })
      expect(next.status).toBe(201)
      expect((await target.tenant()).tenantId).toBeGreaterThan(t)
    })
  })

  test('raises the generation above both', async () => {
    const { place } = await backedUp(product())
    await withTarget('pglite', async (target) => {
      await adminSql(target, 'update installation set generation = 41')
      expect(await restore(target.local.db.owner, place)).toMatchObject({ generation: 42 })
      expect(await generationReader(target.local.db.worker)()).toBe(42)
      const [facts] = await adminSql(target, 'select installation_id from installation')
      expect([facts]).toEqual(await adminSql(product(), 'select installation_id from installation'))
    })
  })

  test('the target is empty again in no state in between: a failed restore can be followed by a good one', async () => {
    const { place } = await backedUp(product(), firstKey)
    await withTarget('pglite', async (target) => {
      const before = await dump(target)
      await expect(restore(target.local.db.owner, place, { key: readBackupKey('ff'.repeat(32)) })).rejects.toThrow('BACKUP_KEY is the key')
      expect(await dump(target)).toEqual(before)
      await restore(target.local.db.owner, place, { key: firstKey })
      expect(await tablesOf((await backedUp(target)).place)).toEqual(await tablesOf(place, firstKey))
    })
  })
})
