import { expect, test } from 'vitest'
import { createDrill } from '../../functions/drill/handler.ts'
import { createKeepBackups } from '../../functions/keep-backups/handler.ts'
import { archiveName } from '../../shared/backup/index.ts'
import { schemaVersion } from '../../shared/db/index.ts'
import { drill, publicKeyOf, scratches } from '../../shared/drill/index.ts'
import { listArchives, recoveryState, runBackup, runDrill, withRun } from '../../shared/recovery/index.ts'
import { isSigned } from '../../shared/signature/index.ts'
import { busyTenant, dump, firstKey, memoryStore, otherKey } from '../support/archives.ts'
import { flipped } from '../support/damage.ts'
import { describeEngines, type Product } from '../support/engines.ts'
import { adminSql, loseWakeUps } from './admin.ts'

const signingKey = 'a test signing key'
const signal = new AbortController().signal

/** A product with somebody's memories, and where its backups are kept. */
async function kept(product: Product) {
  await loseWakeUps(product)
  await adminSql(product, 'delete from recovery_runs')
  await busyTenant(product)
  const files = memoryStore()
  const { owner, worker } = product.local.db
  const archives = { store: async () => files, prefix: 'nightly', key: firstKey }
  return { files, archives, deps: { ...archives, owner, worker, signingKey } }
}
const checks = (report: { checks: { name: string; ok: boolean }[] }) => Object.fromEntries(report.checks.map(({ name, ok }) => [name, ok]))

describeEngines('a drill', (product) => {
  test('proves a backup: restored beside the live data, examined, removed, and told in a signed report', { timeout: 120_000 }, async () => {
    const { deps } = await kept(product())
    const { name, rows } = await runBackup(deps, 'test', { signal })
    const before = await dump(product())
    const report = await runDrill(deps, 'test')
    expect(checks(report)).toEqual({ archive: true, restore: true, schema: true, contents: true, indexes: true, recall: true, latency: true })
    expect(report).toMatchObject({ ok: true, archive: name, rows, rpo_seconds: expect.any(Number), rto_seconds: expect.any(Number) })
    expect(report.recall.questions).toBeGreaterThan(5)
    expect(await dump(product())).toEqual(before)
    expect(await scratches(product().local.db.owner)).toEqual([])
    const [row] = await adminSql<{ state: string; report: string; signature: string; archive: string; scratch: string | null }>(
      product(),
      `select state, report, signature, archive, scratch from recovery_runs where kind = 'drill'`,
    )
    expect(row).toMatchObject({ state: 'succeeded', archive: name, scratch: null })
    expect(JSON.parse(row?.report as string)).toEqual(report)
    const { report: text, signature } = row as { report: string; signature: string }
    expect(isSigned(text, signature, publicKeyOf(signingKey))).toBe(true)
    expect(isSigned(text.replace('"ok":true', '"ok":false'), signature, publicKeyOf(signingKey))).toBe(false)
    expect(isSigned(text, signature, publicKeyOf('another signing key'))).toBe(false)
  })

  test('proves one of before, whatever was stored, changed and forgotten since', { timeout: 120_000 }, async () => {
    const { deps } = await kept(product())
    await runBackup(deps, 'test', { signal })
    const caller = await busyTenant(product())
    await product().call(caller, 'POST', '/v1/memories', { text: 'a later tea' })
    const { body } = await product().call(caller, 'POST', '/v1/memories/list', {})
    for (const { id } of body.items.slice(0, 20)) await product().call(caller, 'DELETE', `/v1/memories/${id}`)
    expect((await runDrill(deps, 'test')).checks.filter(({ ok }) => !ok)).toEqual([])
    // a live database that answers no questions is no fault of the copy
    const deaf = { ...deps.worker, transaction: () => Promise.reject(new Error('busy')) } as typeof deps.worker
    const store = await deps.store()
    const name = (await listArchives(store, deps.prefix)).at(-1)?.name
    expect(await drill({ ...deps, worker: deaf, store }, { archive: name })).toMatchObject({
      ok: true,
      recall: { live_p95_ms: null },
      checks: expect.arrayContaining([{ name: 'latency', ok: true, detail: expect.stringContaining('and the live database could not be asked') }]),
    })
  })

  test('fails for an archive that is damaged, that lacks a part, that another key encrypted, and where there is none; it says why', { timeout: 120_000 }, async () => {
    const { deps, files } = await kept(product())
    expect(await runDrill(deps, 'test')).toMatchObject({
      ok: false,
      archive: null,
      checks: [{ name: 'archive', ok: false, detail: expect.stringContaining('There is no backup to restore') }],
    })
    const { name } = await runBackup(deps, 'test', { signal })
    const part = `nightly/${name}/part-000001.soma`
    const bytes = files.files.get(part) as Buffer
    for (const place of [5, Math.floor(bytes.length / 2), bytes.length - 1]) {
      files.files.set(part, flipped(bytes, place))
      expect([place, checks(await runDrill(deps, 'test'))]).toEqual([place, { archive: false }])
    }
    files.files.delete(part)
    expect(await runDrill(deps, 'test')).toMatchObject({ ok: false, checks: [{ detail: 'The part part-000001.soma of the archive is missing.' }] })
    files.files.set(part, bytes)
    expect(await runDrill({ ...deps, key: otherKey }, 'test')).toMatchObject({ ok: false, checks: [{ detail: expect.stringContaining('BACKUP_KEY') }] })
    expect((await runDrill(deps, 'test')).checks.filter(({ ok }) => !ok)).toEqual([])
    const states = await adminSql<{ state: string }>(product(), `select state from recovery_runs where kind = 'drill' order by requested_at`)
    expect(states.map(({ state }) => state)).toEqual(['failed', 'failed', 'failed', 'failed', 'failed', 'failed', 'succeeded'])
    expect(await scratches(product().local.db.owner)).toEqual([])
  })

  test('that is stopped leaves nothing behind; what a killed one left is removed by the next', { timeout: 120_000 }, async () => {
    const { deps } = await kept(product())
    await runBackup(deps, 'test', { signal })
    for (const step of ['verify', 'load', 'examine'] as const) {
      const ending = new AbortController()
      const stopped = runDrill(deps, 'test', { signal: ending.signal, onProgress: (at) => at === step && ending.abort() })
      await expect(stopped, step).rejects.toThrow(/stopped/)
      expect(await scratches(product().local.db.owner)).toEqual([])
    }
    await adminSql(product(), 'create schema soma_drill_20200101000000_00000000')
    await adminSql(product(), 'create schema soma_drill_20200101000000_00000001')
    await adminSql(
      product(),
      `insert into recovery_runs (run_id, kind, state, requested_by, started_at, alive_at, scratch) values (gen_random_uuid(), 'drill', 'running', 'gone', now() - interval '1 hour', now() - interval '4 minutes', 'soma_drill_20200101000000_00000001')`,
    )
    expect((await runDrill(deps, 'test')).checks.filter(({ ok }) => !ok)).toEqual([])
    expect(await scratches(product().local.db.owner)).toEqual([])
    const [gone] = await adminSql<{ problem: string }>(product(), `select problem from recovery_runs where requested_by = 'gone'`)
    expect(gone?.problem).toContain('The process that ran it is gone')
  })

  test('of two at once the second is refused, and says since when the first runs', { timeout: 120_000 }, async () => {
    const { deps } = await kept(product())
    const run = { kind: 'backup', by: 'the first' } as const
    await withRun(deps.worker, run, async () => {
      await expect(runBackup(deps, 'the second', { signal })).rejects.toThrow(/^A backup is running since .*, for the first: it has to end first\.$/)
      return {}
    })
    await runBackup(deps, 'the third', { signal })
  })
})

describeEngines(
  'the jobs keep-backups and drill',
  (product) => {
    test('work when they are due or asked for, and the drill comes after the first backup', { timeout: 120_000 }, async () => {
      const { deps, archives } = await kept(product())
      const keep = { daily: 7, weekly: 5, monthly: 12 }
      const backups = createKeepBackups({ ...archives, worker: deps.worker, everyHours: 24, incrementHours: 0, keep })
      const drills = createDrill({ ...deps, everyHours: 168, mostGigabytes: 50 })
      expect(await drills(signal)).toEqual({ done: 0, remaining: false })
      expect((await backups(signal)).detail).toMatchObject({ removed: [], encrypted: true })
      expect(await backups(signal)).toEqual({ done: 0, remaining: false })
      expect((await drills(signal)).detail).toMatchObject({ ok: true })
      expect(await drills(signal)).toEqual({ done: 0, remaining: false })
      // a day later
      await adminSql(
        product(),
        `update recovery_runs set requested_at = requested_at - interval '25 hours', started_at = started_at - interval '25 hours', instant = instant - interval '25 hours'`,
      )
      expect((await backups(signal)).detail).toMatchObject({ encrypted: true })
      expect(await drills(signal)).toEqual({ done: 0, remaining: false })
      const asked = `insert into recovery_runs (run_id, kind, state, requested_by) values (gen_random_uuid(), 'drill', 'requested', 'somebody')`
      await adminSql(product(), asked)
      expect((await drills(signal)).detail).toMatchObject({ ok: true })
      const [row] = await adminSql(product(), `select state from recovery_runs where requested_by = 'somebody'`)
      expect(row).toEqual({ state: 'succeeded' })
      expect(await recoveryState(deps.worker)).toEqual([
        { kind: 'backup', age: expect.any(Number), ok: true, every: 86_400, looked: expect.any(Number), rpo: null, rto: null },
        { kind: 'drill', age: expect.any(Number), ok: true, every: 604_800, looked: expect.any(Number), rpo: expect.any(Number), rto: expect.any(Number) },
      ])
    })

    test('a run that was killed holds up nobody: its copy goes with the next look, and it is tried again within the hour', { timeout: 120_000 }, async () => {
      const { deps, archives } = await kept(product())
      const drills = createDrill({ ...deps, everyHours: 168, mostGigabytes: 50 })
      const backups = createKeepBackups({ ...archives, worker: deps.worker, everyHours: 24, incrementHours: 0, keep: { daily: 7, weekly: 5, monthly: 12 } })
      const killed = (kind: string, started: string) =>
        adminSql(
          product(),
          `insert into recovery_runs (run_id, kind, state, requested_by, started_at, alive_at, scratch) values (gen_random_uuid(), '${kind}', 'running', 'killed', now() - interval '${started}', now() - interval '4 minutes', 'soma_drill_20200101000000_00000002')`,
        )
      await killed('backup', '5 minutes')
      expect(await backups(signal)).toEqual({ done: 0, remaining: false })
      expect(await adminSql(product(), `select state from recovery_runs where requested_by = 'killed'`)).toEqual([{ state: 'failed' }])
      await adminSql(product(), `update recovery_runs set started_at = started_at - interval '1 hour'`)
      expect((await backups(signal)).detail).toMatchObject({ encrypted: true })
      await adminSql(product(), 'create schema soma_drill_20200101000000_00000002')
      await killed('drill', '5 minutes')
      expect(await drills(signal)).toEqual({ done: 0, remaining: false })
      expect(await scratches(deps.owner)).toEqual([])
      const [drillState] = (await recoveryState(deps.worker)).slice(1)
      expect(drillState).toMatchObject({ kind: 'drill', ok: null })
      await adminSql(product(), `update recovery_runs set started_at = started_at - interval '1 hour' where kind = 'drill'`)
      expect((await drills(signal)).detail).toMatchObject({ ok: true })
    })

    test('after a change of the schema a backup is due at once, and the drill waits for it', { timeout: 120_000 }, async () => {
      const { deps, archives } = await kept(product())
      const drills = createDrill({ ...deps, everyHours: 168, mostGigabytes: 50 })
      const backups = createKeepBackups({ ...archives, worker: deps.worker, everyHours: 24, incrementHours: 0, keep: { daily: 7, weekly: 5, monthly: 12 } })
      await backups(signal)
      await adminSql(product(), `update recovery_runs set report = jsonb_set(report::jsonb, '{schema_version}', '1')::text`)
      expect(await drills(signal)).toEqual({ done: 0, remaining: false })
      expect((await backups(signal)).detail).toMatchObject({ schema_version: schemaVersion })
      expect((await drills(signal)).detail).toMatchObject({ ok: true })
    })

    test('a drill that found a fault is not counted as the last word of one that was stopped, nor is one of a named archive', { timeout: 120_000 }, async () => {
      const { deps } = await kept(product())
      const { name } = await runBackup(deps, 'test', { signal })
      await runDrill(deps, 'test')
      const ending = new AbortController()
      await expect(runDrill(deps, 'test', { signal: ending.signal, onProgress: () => ending.abort() })).rejects.toThrow()
      await runDrill({ ...deps, key: otherKey }, 'test', { archive: name })
      expect((await recoveryState(deps.worker))[1]).toMatchObject({ kind: 'drill', ok: true })
      await expect(createDrill({ ...deps, everyHours: 1, mostGigabytes: 0 })(signal)).resolves.toEqual({ done: 0, remaining: false })
      await adminSql(product(), `update recovery_runs set started_at = started_at - interval '2 hours'`)
      await expect(createDrill({ ...deps, everyHours: 1, mostGigabytes: 0 })(signal)).rejects.toThrow(/The database has \d+ GB, and a drill needs room .* DRILL_MAX_GB/)
      // one that was asked for has failed with it, once
      await adminSql(product(), `insert into recovery_runs (run_id, kind, state, requested_by) values (gen_random_uuid(), 'drill', 'requested', 'somebody')`)
      const never = createDrill({ ...deps, everyHours: 0, mostGigabytes: 0 })
      await expect(never(signal)).rejects.toThrow(/DRILL_MAX_GB/)
      const refused = await adminSql(product(), `select state, problem from recovery_runs where requested_by = 'somebody' order by requested_at desc limit 1`)
      expect(refused).toEqual([{ state: 'failed', problem: expect.stringContaining('DRILL_MAX_GB') }])
      expect(await never(signal)).toEqual({ done: 0, remaining: false })
    })

    test('never by themselves where that is switched off; and what is not kept is removed', { timeout: 120_000 }, async () => {
      const { deps, archives, files } = await kept(product())
      const [installation] = await adminSql<{ id: string }>(product(), 'select installation_id as id from installation')
      const [old, others] = [installation?.id as string, '00000000-0000-4000-8000-000000000000'].map((id) => archiveName(new Date('2020-01-01T00:00:00Z'), id)) as [string, string]
      for (const archive of [old, others]) for (const name of ['manifest.json', 'part-000001.soma']) files.files.set(`nightly/${archive}/${name}`, Buffer.from('x'))
      files.files.set('nightly/by-hand/manifest.json', Buffer.from('x'))
      const keep = { daily: 1, weekly: 0, monthly: 0 }
      const job = (everyHours: number) => createKeepBackups({ ...archives, worker: deps.worker, everyHours, incrementHours: 0, keep })(signal)
      expect(await job(0)).toEqual({ done: 0, remaining: false })
      expect((await listArchives(files, 'nightly')).map(({ name }) => name)).toEqual([others, old].sort())
      expect((await job(24)).detail).toMatchObject({ removed: [old] })
      // that of another installation in the same place is none of ours
      expect((await listArchives(files, 'nightly')).map(({ name }) => name)).toEqual([others, expect.stringMatching(`-${installation?.id.slice(0, 8)}-`)])
      expect(files.files.has('nightly/by-hand/manifest.json')).toBe(true)
    })
  },
  ['pglite', 'postgres 18'],
)
