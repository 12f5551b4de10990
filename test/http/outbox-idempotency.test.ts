import { beforeAll, expect, test } from 'vitest'
import { insertKey, systemTenantId } from '../../shared/tenant/index.ts'
import { loseWakeUps } from '../db/admin.ts'
import { type Answer, describeEngines } from '../support/engines.ts'
import { outboxOf } from './outbox-rows.ts'

const shape = ({ status, headers, body }: Answer) => [status, headers.get('idempotent-replayed'), body]

describeEngines('idempotency keys of the outbox', (product) => {
  const { audits, list, set, withDead } = outboxOf(product)
  beforeAll(() => loseWakeUps(product()))

  test('a repeated replay or purge answers as the first did and does nothing more; the key with another body is a conflict', async () => {
    const ada = await withDead(4)
    const ids = (await list(ada)).map(({ id }) => id)
    for (const [verb, word, body, other] of [
      ['replay', 'replayed', { ids: ids.slice(0, 2) }, { ids: ids.slice(0, 1) }],
      ['purge', 'purged', { ids: ids.slice(2), reason: 'a test' }, { ids: ids.slice(2), reason: 'another' }],
    ] as const) {
      const send = (given: unknown) => product().call(ada, 'POST', `/v1/outbox/${verb}`, given, { 'Idempotency-Key': verb })
      expect(shape(await send(body))).toEqual([200, null, { [word]: 2, skipped: 0 }])
      // they die again: a repeated call must not see it
      await set(ada, `status = 'dead'`, `status = 'pending'`)
      expect(shape(await send(body))).toEqual([200, 'true', { [word]: 2, skipped: 0 }])
      expect((await send(other)).body.code).toBe('idempotency_conflict')
    }
    expect((await list(ada, 'status=dead')).length).toBe(2)
    expect((await audits(ada)).map(({ action }) => action)).toEqual(['outbox.replay', 'outbox.purge'])
  })

  test('a dry run keeps no key; what it confirms is done once, also by an operator on another tenant, whose key is its own', async () => {
    const ada = await withDead(2)
    const local = product().local
    const { key } = await local.db.worker.transaction({ role: 'soma_worker', tenantId: systemTenantId }, (tx) =>
      insertKey(tx, systemTenantId, 'local', { name: '', scopes: ['platform:outbox'] }),
    )
    const operator = { tenant: 'system', tenantId: systemTenantId, key: key as string }
    const send = (caller: typeof operator, body: unknown) => product().call(caller, 'POST', '/v1/outbox/purge', body, { 'Idempotency-Key': `k-${ada.tenant}` })
    const filter = { tenant: ada.tenant, reason: 'a test' }
    const dry = await send(operator, filter)
    expect(shape(dry).slice(0, 2)).toEqual([200, null])
    expect(shape(await send(operator, { ...filter, confirm: dry.body.confirm }))).toEqual([200, null, { purged: 2, skipped: 0 }])
    expect(shape(await send(operator, { ...filter, confirm: dry.body.confirm }))).toEqual([200, 'true', { purged: 2, skipped: 0 }])
    expect(shape(await send(ada, { ids: ['1'], reason: 'mine' }))).toEqual([200, null, { purged: 0, skipped: 1 }])
  })
})
