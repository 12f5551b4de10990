import { beforeAll, beforeEach, expect, test } from 'vitest'
import { drillPage } from '../../functions/recovery/page.ts'
import { localSigningKey } from '../../local/adapter.ts'
import { runBackup, runDrill } from '../../shared/recovery/index.ts'
import { isSigned } from '../../shared/signature/index.ts'
import { tenantScopes } from '../../shared/tenant/index.ts'
import { adminSql, loseWakeUps } from '../db/admin.ts'
import { busyTenant, memoryStore } from '../support/archives.ts'
import { describeEngines } from '../support/engines.ts'
import { expectNothingWritten, expectProblem, systemKey } from './checks.ts'

const signal = new AbortController().signal
const paths = ['/v1/backups', '/v1/drills'] as const

describeEngines('backups and drills over HTTP', (product) => {
  beforeAll(async () => {
    await loseWakeUps(product())
    await busyTenant(product())
  })
  beforeEach(() => adminSql(product(), 'delete from recovery_runs'))
  const operator = () => systemKey(product(), ['platform:backups', 'platform:drills'])

  test('take a key of the tenant system with the scope of each, and tell nobody else anything', async () => {
    const ada = await product().tenant([...tenantScopes])
    const wouldBe = await product().tenant(['platform:backups', 'platform:drills'])
    const [backups, drills] = [await systemKey(product(), ['platform:backups']), await systemKey(product(), ['platform:drills', 'admin'])]
    const unknown = '00000000-0000-4000-8000-000000000000'
    await expectNothingWritten(product(), async () => {
      for (const [path, others] of [
        ['/v1/backups', [ada, wouldBe, drills]],
        ['/v1/drills', [ada, wouldBe, backups]],
      ] as const)
        for (const caller of others) {
          expectProblem(await product().call(caller, 'GET', path), 'forbidden')
          expectProblem(await product().call(caller, 'POST', path), 'forbidden')
          expectProblem(await product().call(caller, 'GET', `${path}/${unknown}`), 'forbidden')
        }
      for (const path of paths) expectProblem(await product().call(null, 'GET', path), 'unauthenticated')
    })
    expect((await product().call(backups, 'GET', '/v1/backups')).body).toEqual({ items: [], next_cursor: null })
    expect((await product().call(drills, 'GET', '/v1/drills')).body).toEqual({ items: [], next_cursor: null })
  })

  test('one that is asked for waits for its job, once however often it is asked for, and the audit log tells who asked', async () => {
    const key = await operator()
    for (const path of paths) {
      const asked = await product().call(key, 'POST', path)
      expect(asked).toMatchObject({ status: 202, body: { state: 'requested', archive: null, report: null } })
      expect((await product().call(key, 'POST', path)).body).toEqual(asked.body)
      expect((await product().call(key, 'GET', `${path}/${asked.body.id}`)).body).toMatchObject(asked.body)
      const [audit] = await adminSql(product(), `select action, target from audit_log where tenant_id = 0 and target = $1::text`, [asked.body.id])
      expect(audit).toEqual({ action: `${path === '/v1/backups' ? 'backup' : 'drill'}.request`, target: asked.body.id })
    }
    // each at its own address only
    const [backup, drill] = await Promise.all(paths.map(async (path) => (await product().call(key, 'GET', path)).body.items[0]))
    expectProblem(await product().call(key, 'GET', `/v1/backups/${drill.id}`), 'not_found')
    expectProblem(await product().call(key, 'GET', `/v1/drills/${backup.id}`), 'not_found')
    for (const id of ['x', '%00', "'; --"]) expectProblem(await product().call(key, 'GET', `/v1/drills/${encodeURIComponent(id)}`), 'not_found')
  })

  test('tell what came of each, the newest first, page by page; a drill with a report that anybody can verify, and as a page', { timeout: 120_000 }, async () => {
    const key = await operator()
    const store = memoryStore()
    const { config, db } = product().local
    const { owner, worker } = db
    const { SIGNING_KEY } = config
    const deps = { store: async () => store, prefix: '', key: undefined, owner, worker, signingKey: SIGNING_KEY ?? localSigningKey(config) }
    for (let i = 0; i < 3; i++) await runBackup(deps, 'test', { signal })
    const report = await runDrill(deps, 'test')
    const seen: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { body } = await product().call(key, 'GET', `/v1/backups?limit=2${cursor && `&cursor=${cursor}`}`)
      for (const run of body.items) expect(run).toMatchObject({ kind: 'backup', state: 'succeeded', problem: null, report: { name: run.archive, rows: report.rows } })
      seen.push(...body.items.map(({ archive }: { archive: string }) => archive))
      cursor = body.next_cursor
    }
    expect(seen).toHaveLength(3)
    expect(seen).toContain(report.archive)
    const [run] = (await product().call(key, 'GET', '/v1/drills')).body.items
    const { body } = await product().call(key, 'GET', `/v1/drills/${run.id}`)
    expect(body).toMatchObject({ state: 'succeeded', archive: report.archive, instant: report.instant, report })
    expect(JSON.parse(body.signed_report)).toEqual(report)
    expect(isSigned(body.signed_report, body.signature, body.public_key)).toBe(true)
    const page = await product().call(key, 'GET', `/v1/drills/${run.id}`, undefined, { accept: 'text/html' })
    expect(page.headers.get('content-type')).toMatch(/^text\/html/)
    expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-/)
    for (const { name, detail } of report.checks) expect(page.text).toContain(`<td>${name}</td><td>${detail.replaceAll("'", '&#39;')}</td>`)
    const { text } = await product().call(null, 'GET', '/metrics')
    for (const line of [/^recovery_last_ok\{kind="backup"\} 1$/m, /^recovery_last_ok\{kind="drill"\} 1$/m, /^recovery_age_seconds\{kind="backup"\} \d/m, /^drill_rto_seconds \d/m])
      expect(text).toMatch(line)
  })

  test('a failed drill says why, in the list, in the metrics and on its page, where every text is escaped', { timeout: 60_000 }, async () => {
    const key = await operator()
    const store = memoryStore()
    const { owner, worker } = product().local.db
    await runDrill({ store: async () => store, prefix: '', key: undefined, owner, worker, signingKey: 'a test signing key' }, 'test')
    const [run] = (await product().call(key, 'GET', '/v1/drills')).body.items
    expect(run).toMatchObject({ state: 'failed', problem: expect.stringContaining('There is no backup to restore') })
    expect((await product().call(null, 'GET', '/metrics')).text).toMatch(/^recovery_last_ok\{kind="drill"\} 0$/m)
    const mark = '<script>alert(1)</script>'
    const page = await drillPage({
      ...run,
      problem: mark,
      archive: mark,
      report: { ...run.report, checks: [{ name: mark, ok: false, detail: mark }] },
      signed_report: null,
      signature: mark,
    })
    expect(page).not.toContain('<script')
    expect(page.match(/&lt;script&gt;/g)?.length).toBeGreaterThanOrEqual(5)
  })
})
