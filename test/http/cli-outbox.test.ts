import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openLocal } from '../../local/adapter.ts'
import { startLocal } from '../../local/serve.ts'
import { parseConfig } from '../../shared/config/index.ts'
import { createLog } from '../../shared/telemetry/index.ts'
import { insertKey, systemTenantId } from '../../shared/tenant/index.ts'
import { embeddedCopy } from '../support/template.ts'
import { runProcess } from './processes.ts'

const dead = `update outbox set status = 'dead', attempts = 10, last_error = 'the broker is away', lease_owner = null where status <> 'sent'`
let directory: string
let server: Awaited<ReturnType<typeof startLocal>> | undefined

const soma = (env: Record<string, string>, ...args: string[]) => runProcess(['bin/soma.ts', ...args], env)
// biome-ignore lint/suspicious/noExplicitAny: tests read answers of many shapes
async function json(env: Record<string, string>, ...args: string[]): Promise<any> {
  const { code, stdout, stderr } = await soma(env, ...args, '--json')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout)
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'soma-cli-outbox-'))
})
afterAll(async () => {
  await server?.close()
  await rm(directory, { recursive: true, force: true })
})

test('on the database itself: summary, list, replay and purge, of any tenant', { timeout: 120_000 }, async () => {
  const env = { SOMA_DATA_DIR: await embeddedCopy(join(directory, 'data')) }
  const local = await openLocal(parseConfig({ ...env, LOG_LEVEL: 'silent' }), createLog('silent'))
  await local.db.worker.transaction({ role: 'soma_worker', tenantId: null }, (tx) => tx.query(`insert into tenants (tenant_id, name) values (7, 'acme')`))
  local.jobs.wake = () => {}
  for (const text of ['one', 'two', 'three']) {
    const body = JSON.stringify({ text })
    await local.fetch(new Request('http://127.0.0.1/v1/memories', { method: 'POST', headers: { 'content-type': 'application/json' }, body }))
  }
  await local.db.owner.maintenance(async (sql) => {
    await sql.query(dead)
    await sql.query(`insert into outbox (tenant_id, event_id, type, id, body, created_at, next_attempt_at, status, attempts)
      values (7, gen_random_uuid(), 'linked', gen_random_uuid(), '{"namespace":"default","payload":{}}', now() - interval '3 hours', now(), 'dead', 10)`)
  })
  await local.close()
  expect((await json(env, 'outbox', 'summary')).items.map((one: { tenant: string; dead: number }) => [one.tenant, one.dead])).toEqual([
    ['acme', 1],
    ['default', 3],
  ])
  expect((await soma(env, 'outbox', 'summary')).stdout).toMatch(/^TENANT {3}PENDING {2}LEASED {2}SENT {2}DEAD .*\nacme .*\ndefault .* 3 .*3× the broker is away\n$/)
  const { items } = await json(env, 'outbox', 'list', '--status', 'dead')
  expect(items).toHaveLength(3)
  expect((await json(env, 'outbox', 'list', '--tenant', 'acme', '--older-than', '2h')).items).toMatchObject([{ tenant: 'acme', type: 'linked' }])
  expect((await json(env, 'outbox', 'list', '--tenant', 'acme', '--older-than', '4h')).items).toEqual([])
  const page = await json(env, 'outbox', 'list', '--limit', '2')
  expect((await json(env, 'outbox', 'list', '--limit', '2', '--cursor', page.next_cursor)).items).toHaveLength(1)
  expect(await json(env, 'outbox', 'purge', items[0].id, '--reason', 'a test')).toEqual({ purged: 1, skipped: 0, more: false })
  expect((await soma(env, 'outbox', 'replay')).stdout).toBe('2 dead rows match. With --yes they are replayed.\n')
  expect(await json(env, 'outbox', 'replay', '--yes')).toEqual({ replayed: 2, skipped: 0, more: false })
  // no server goes on after it, so it is published before the command ends
  expect((await json(env, 'outbox', 'list', '--status', 'sent')).items).toHaveLength(2)
  expect(await json(env, 'outbox', 'replay', '--sent')).toEqual({ matched: 2, more: false })
  expect((await json(env, 'outbox', 'summary', '--tenant', 'acme')).items).toMatchObject([{ tenant: 'acme', dead: 1 }])
})

test('over HTTP: one’s own rows, and with platform:outbox those of any tenant', { timeout: 120_000 }, async () => {
  server = await startLocal(parseConfig({ PORT: '0', SOMA_DATA_DIR: await embeddedCopy(), LOG_LEVEL: 'silent' }), createLog('silent'))
  const own = { SOMA_URL: server.url }
  await json(own, 'store', 'something')
  await server.db.owner.maintenance((sql) => sql.query(dead.replace(` where status <> 'sent'`, '')))
  const { key } = await server.db.worker.transaction({ role: 'soma_worker', tenantId: systemTenantId }, (tx) =>
    insertKey(tx, systemTenantId, 'local', { name: '', scopes: ['platform:outbox'] }),
  )
  const operator = { ...own, SOMA_TOKEN: key as string }
  expect((await json(own, 'outbox', 'list')).items).toMatchObject([{ status: 'dead' }])
  expect(await json(operator, 'outbox', 'replay', '--tenant', 'default')).toEqual({ matched: 1, more: false })
  expect((await json(operator, 'outbox', 'summary')).items).toMatchObject([{ tenant: 'default', dead: 1 }])
  for (const [env, exit, args] of [
    [own, 4, ['list', '--tenant', 'system']],
    [operator, 1, ['list']],
    [own, 2, ['list', '--older-than', 'long ago']],
    [own, 2, ['list', '--status', 'gone']],
    [own, 2, ['replay', '4711', '--type', 'created']],
    [own, 2, ['purge', '4711']],
    [own, 1, ['purge', '4711', '--reason', ' ']],
    [own, 1, ['replay', 'x']],
  ] as const)
    expect((await soma(env, 'outbox', ...args)).code, args.join(' ')).toBe(exit)
  expect((await soma(own, 'outbox', 'purge', '--reason', 'a test', '--yes')).stdout).toBe('1 row purged.\n')
})
