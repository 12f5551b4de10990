import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adminSql } from '../db/admin.ts'
import { runProcess } from '../http/processes.ts'
import { openProduct, type Product } from '../support/engines.ts'
import { requireService } from '../support/services.ts'
import { makeTopic, produce, readUntil, until } from './broker.ts'

const postgres = requireService('POSTGRES_URL')
const bootstrap = requireService('KAFKA_BOOTSTRAP_SERVERS') as string

describe.skipIf(!postgres || !bootstrap)('soma dlq', () => {
  let product: Product
  let topic: string
  let close: () => Promise<void>
  const poison = ['{"half":', Buffer.from([0xff, 0xfe, 0x00])]
  const owner = { tenant: '', id: '01a1fd1a-0000-7000-8000-000000000001' }
  const homeless = () => ({
    event_id: '01a1fd1a-0000-7000-8000-0000000000aa',
    id: owner.id,
    namespace: 'default',
    type: 'created',
    timestamp: '2026-01-31T12:00:00Z',
    payload: { text: 'a secret of the customer' },
    tenant_id: 'late-tenant',
    version: 1,
    generation: 1,
  })
  beforeAll(async () => {
    topic = await makeTopic(bootstrap)
    const opened = await openProduct('postgres 18', postgres, { KAFKA_BOOTSTRAP_SERVERS: bootstrap, KAFKA_MEMORY_EVENTS_TOPIC: topic })
    product = opened.product
    close = opened.close
    // one consumer, so that each record is buried once
    product.local.consume('project-events')
    const values = [...poison, JSON.stringify(homeless())]
    await produce(
      bootstrap,
      topic,
      values.map((value) => ({ key: `late-tenant:${owner.id}`, value, headers: { 'event-id': 'kept', trace: Buffer.from([0xc3, 0x28]) } })),
    )
    await readUntil(bootstrap, `${topic}.dlq`, (all) => all.length >= 3)
  })
  afterAll(() => close?.())

  async function soma(...args: string[]) {
    const { POSTGRES_URL, POSTGRES_MIGRATION_URL, SIGNING_KEY } = product.local.config as unknown as Record<string, string>
    const env = { POSTGRES_URL, POSTGRES_MIGRATION_URL, SIGNING_KEY, KAFKA_BOOTSTRAP_SERVERS: bootstrap, KAFKA_MEMORY_EVENTS_TOPIC: topic } as Record<string, string>
    const { code, stdout, stderr } = await runProcess(['bin/soma.ts', 'dlq', ...args], env)
    return { code, stderr, text: stdout, json: stdout.startsWith('{') ? JSON.parse(stdout) : undefined }
  }
  const ids = async (...args: string[]) => (await soma('list', '--json', ...args)).json.items.map((one: { id: string }) => one.id)
  const audits = (action: string) =>
    adminSql<{ detail: Record<string, unknown> }>(product, 'select detail from audit_log where tenant_id = 0 and action = $1 order by at', [action])

  test('list: the newest first, with place and reason, bounded and filtered', { timeout: 120_000 }, async () => {
    const { json } = await soma('list', '--json')
    expect(json).toMatchObject({ topic: `${topic}.dlq`, more: false })
    expect(json.items).toMatchObject([
      { id: '0:2', tenant: 'late-tenant', reason: expect.stringMatching(/no tenant/), source: { topic, offset: '2' }, consumer: 'project-events', replayed_at: null },
      { id: '0:1', reason: expect.stringMatching(/UTF-8/), value_bytes: 3 },
      { id: '0:0', reason: expect.stringMatching(/not JSON/), not_replayable: null },
    ])
    expect(await ids('--limit', '1')).toEqual(['0:2'])
    expect((await soma('list', '--limit', '1', '--json')).json.more).toBe(true)
    expect(await ids('--reason', 'json')).toEqual(['0:0'])
    expect(await ids('--older-than', '1h')).toEqual([])
    expect(await ids('--tenant', 'nobody')).toEqual([])
    expect((await soma('list')).text).toMatch(/^ID +AGE +TENANT +SOURCE +REPLAYED +REASON\n0:2 .*late-tenant .*\n.*\n.*\n3 dead letters\n$/)
    expect((await soma('list', '--topic', 'soma.audit')).code).toBe(2)
  })

  test('show: headers and place, and what a customer stored only when asked', { timeout: 120_000 }, async () => {
    const hidden = await soma('show', '0:2', '--json')
    expect(hidden.json).toMatchObject({
      id: '0:2',
      key: `late-tenant:${owner.id}`,
      headers: { 'event-id': 'kept', 'dlq-consumer': 'project-events' },
      value_bytes: expect.any(Number),
    })
    expect(hidden.text).not.toContain('a secret of the customer')
    expect((await soma('show', '0:2', '--value')).json.value).toEqual(homeless())
    expect((await soma('show', '0:1', '--value')).json.value).toEqual({ base64: '//4A' })
    expect((await soma('show', '0:0', '--value')).json.value).toBe('{"half":')
    expect((await soma('show', '0:99')).code).toBe(3)
    expect((await soma('show', 'x')).code).toBe(1)
  })

  test('replay: counted first, bound to what was counted, sent as it was, applied once, and not again by accident', { timeout: 180_000 }, async () => {
    const dry = await soma('replay', '--tenant', 'late-tenant', '--json')
    expect(dry.json).toMatchObject({ matched: 3, not_replayable: [] })
    // the defect is mended: the tenant is there now
    await adminSql(product, `insert into tenants (name) values ('late-tenant')`, [])
    const [{ tenant_id: tenantId }] = (await adminSql<{ tenant_id: number }>(product, `select tenant_id from tenants where name = 'late-tenant'`, [])) as [{ tenant_id: number }]
    expect((await soma('replay', '--reason', 'no tenant', '--confirm', dry.json.confirm)).code).toBe(1)
    const bound = (await soma('replay', '--reason', 'no tenant', '--json')).json
    expect(bound.matched).toBe(1)
    expect((await soma('replay', '--reason', 'no tenant', '--confirm', bound.confirm, '--json')).json).toMatchObject({ replayed: 1 })
    const projected = () => adminSql(product, 'select event_id from memory_events where tenant_id = $1::integer', [tenantId])
    await until(async () => (await projected()).length === 1)
    const sent = (await readUntil(bootstrap, topic, (all) => all.length >= 4)).find((one) => one.headers['dlq-replayed-from'])
    expect(sent).toMatchObject({ key: `late-tenant:${owner.id}`, headers: { 'event-id': 'kept', 'dlq-replayed-from': `${topic}.dlq 0:2`, 'dlq-replays': '1' } })
    expect(JSON.parse(String(sent?.value))).toEqual(homeless())
    expect(Object.keys(sent?.headers ?? {})).not.toContain('dlq-reason')

    expect(await ids('--open')).toEqual(['0:1', '0:0'])
    expect((await soma('replay', '--reason', 'no tenant', '--yes', '--json')).json).toMatchObject({ replayed: 0 })
    expect((await soma('replay', '0:2', '--json')).json).toMatchObject({ replayed: 0, skipped: 1 })
    expect((await soma('replay', '0:2', '--again', '--json')).json).toMatchObject({ replayed: 1 })
    await until(async () => (await readUntil(bootstrap, topic, (all) => all.length >= 5)).length >= 5)
    expect((await projected()).length).toBe(1)
    expect((await audits('dlq.replay'))[0]?.detail).toMatchObject({ letters: 1, places: [{ id: '0:2', from: `${topic} 0:2`.replace(' 0:2', ` ${sent?.partition}:2`) }] })
  })

  test('what is poison still comes back, and says how often it was replayed', { timeout: 120_000 }, async () => {
    expect((await soma('replay', '0:0', '0:1', '--json')).json).toMatchObject({ replayed: 2 })
    await until(async () => (await ids('--open')).length === 2)
    const { items } = (await soma('list', '--open', '--json')).json
    expect(items.map((one: { replays: number; reason: string }) => [one.replays, /JSON|UTF-8/.test(one.reason)])).toEqual([
      [1, true],
      [1, true],
    ])
  })

  test('purge: from the beginning of the partition, counted, with a reason in the audit log', { timeout: 120_000 }, async () => {
    expect((await soma('purge', '--all')).code).toBe(2)
    expect((await soma('purge', '--reason', 'x')).code).toBe(2)
    expect((await soma('purge', '--older-than', '1h', '--reason', 'x', '--json')).json).toMatchObject({ letters: 0, up_to: [] })
    const dry = (await soma('purge', '0:2', '--reason', 'dealt with', '--json')).json
    expect(dry).toMatchObject({ letters: 3, never_replayed: 0, up_to: ['0:2'] })
    expect((await soma('list', '--json')).json.items).toHaveLength(5)
    expect(await soma('purge', '0:2', '--reason', 'dealt with', '--confirm', dry.confirm, '--json')).toMatchObject({ json: { purged: 3 } })
    const left = await ids()
    expect(left).toHaveLength(2)
    expect(await ids('--open')).toEqual(left)
    expect((await soma('purge', '--all', '--reason', 'a test', '--yes')).text).toMatch(/^2 dead letters purged, 2 of them never replayed\.\n$/)
    expect(await ids()).toEqual([])
    expect((await audits('dlq.purge')).map(({ detail }) => [detail.reason, detail.letters])).toEqual([
      ['dealt with', 3],
      ['a test', 2],
    ])
  })
})
