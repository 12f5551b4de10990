import { beforeAll, expect, test } from 'vitest'
import { loseWakeUps } from '../db/admin.ts'
import { type Answer, describeEngines } from '../support/engines.ts'
import { expectNothingWritten, expectProblem, systemKey } from './checks.ts'
import { outboxOf } from './outbox-rows.ts'

describeEngines('who may look into the outbox', (product) => {
  const { audits, call, list, purge, replay, withDead } = outboxOf(product)
  beforeAll(() => loseWakeUps(product()))

  test('a tenant’s key sees and touches its own rows only, whatever it names', async () => {
    const [ada, eve] = [await withDead(3), await product().tenant()]
    const ids = (await list(ada)).map(({ id }) => id)
    const { confirm } = (await replay(ada, {})).body
    expect(await list(eve)).toEqual([])
    for (const named of [ada.tenant, 'default', 'system', 'nobody']) {
      expectProblem(await call(eve, 'GET', `/v1/outbox?tenant=${named}`), 'forbidden')
      expectProblem(await call(eve, 'GET', `/v1/outbox/summary?tenant=${named}`), 'forbidden')
      expectProblem(await replay(eve, { ids, tenant: named }), 'forbidden')
      expectProblem(await purge(eve, { ids, tenant: named, reason: 'x' }), 'forbidden')
    }
    expect((await replay(eve, { ids })).body).toEqual({ replayed: 0, skipped: 3 })
    expect((await purge(eve, { ids, reason: 'x' })).body).toEqual({ purged: 0, skipped: 3 })
    expectProblem(await replay(eve, { confirm }), 'invalid', '/confirm')
    expect((await call(eve, 'GET', '/v1/outbox/summary')).text).not.toContain(ada.tenant)
    expect(await list(ada, 'status=dead')).toHaveLength(3)
  })

  test('reading and writing have a scope each, and platform:outbox counts on a key of the system tenant only', async () => {
    const reader = await product().tenant(['outbox:read'])
    const writer = await product().tenant(['outbox:write'])
    const admin = await product().tenant(['admin', 'memory:read', 'memory:write'])
    const wouldBe = await product().tenant(['platform:outbox'])
    const otherPlatform = await systemKey(product(), ['platform:tenants', 'admin', 'outbox:read'])
    await expectNothingWritten(product(), async () => {
      for (const one of [writer, admin, wouldBe]) for (const path of ['/v1/outbox', '/v1/outbox/summary']) expectProblem(await call(one, 'GET', path), 'forbidden')
      for (const one of [reader, admin, wouldBe]) {
        expectProblem(await replay(one, { ids: ['1'] }), 'forbidden')
        expectProblem(await purge(one, { ids: ['1'], reason: 'x' }), 'forbidden')
      }
      expectProblem(await call(wouldBe, 'GET', '/v1/outbox?tenant=default'), 'forbidden')
      expectProblem(await call(otherPlatform, 'GET', '/v1/outbox?tenant=default'), 'forbidden')
    })
    expect((await call(reader, 'GET', '/v1/outbox')).status).toBe(200)
    expect((await replay(writer, { ids: ['1'] })).status).toBe(200)
    // a key is given no more than its maker has
    expectProblem(await call(admin, 'POST', '/v1/keys', { scopes: ['outbox:read'] }), 'forbidden')
  })

  test('with platform:outbox an operator acts on any tenant that is named, and both tenants’ logs tell of it', async () => {
    const [ada, bob] = [await withDead(3), await withDead(2)]
    const operator = await systemKey(product(), ['platform:outbox'])
    expectProblem(await call(operator, 'GET', '/v1/outbox'), 'invalid', '/tenant')
    expectProblem(await call(operator, 'GET', '/v1/outbox?tenant=nobody'), 'invalid', '/tenant')
    expect((await list(operator, `tenant=${ada.tenant}`)).map((row) => row.status)).toEqual(['dead', 'dead', 'dead'])
    const seen: { tenant: string; dead: number }[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { body }: Answer = await call(operator, 'GET', `/v1/outbox/summary${cursor && `?cursor=${cursor}`}`)
      seen.push(...body.items)
      cursor = body.next_cursor
    }
    expect(seen.filter(({ tenant }) => tenant === ada.tenant || tenant === bob.tenant).map(({ dead }) => dead)).toHaveLength(2)
    // ids of another tenant than the one that is named are none of its rows
    const ids = (await list(bob)).map(({ id }) => id)
    expect((await replay(operator, { tenant: ada.tenant, ids })).body).toEqual({ replayed: 0, skipped: 2 })
    const { confirm } = (await replay(operator, { tenant: ada.tenant })).body
    expectProblem(await replay(operator, { tenant: bob.tenant, confirm }), 'invalid', '/confirm')
    expect((await replay(operator, { tenant: ada.tenant, confirm })).body).toEqual({ replayed: 3, skipped: 0 })
    expect(await audits(ada)).toMatchObject([{ action: 'outbox.replay', detail: { rows: 3, by: 'system', filter: {} } }])
    expect((await audits({ ...operator, tenantId: 0 })).at(-1)).toMatchObject({ action: 'outbox.replay', target: ada.tenant, detail: { rows: 3 } })
    expect(await list(bob, 'status=dead')).toHaveLength(2)
  })
})
