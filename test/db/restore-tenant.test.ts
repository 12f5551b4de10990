import { expect, test } from 'vitest'
import { backUp, restore, restoreTenant } from '../../shared/backup/index.ts'
import { answersOf, backedUp, busyTenant, dump, firstKey, memoryStore, withTarget } from '../support/archives.ts'
import { type Caller, describeEngines, type Product } from '../support/engines.ts'
import { at, written } from '../support/increments.ts'
import { adminSql, loseWakeUps } from './admin.ts'

/** A key for a tenant that came without one. */
async function callerOf(product: Product, tenant: string): Promise<Caller> {
  const [row] = await adminSql<{ tenant_id: number }>(product, 'select tenant_id from tenants where name = $1::text', [tenant])
  const maker = await product.tenant()
  const tenantId = row?.tenant_id as number
  // the hash of a key that is known, under the number of the new tenant
  await adminSql(
    product,
    'insert into api_keys (tenant_id, key_id, secret_hash, scopes) select $1::integer, key_id, secret_hash, scopes from api_keys where tenant_id = $2::integer',
    [tenantId, maker.tenantId],
  )
  return { tenant, tenantId, key: maker.key.replace(`_${maker.tenantId.toString(36)}-`, `_${tenantId.toString(36)}-`) }
}
/** What a tenant is answered, without what its keys say and what it has used. */
const answers = async (product: Product, caller: Caller) => (await answersOf(product, caller, 'same engine')).slice(0, -2)

describeEngines('one tenant', (product) => {
  test('comes back beside everybody else, under another name, as it was when the archive was written', async () => {
    await loseWakeUps(product())
    const [lost, other] = [await busyTenant(product()), await busyTenant(product())]
    const before = await answers(product(), lost)
    const store = memoryStore()
    await written(product(), store, { key: firstKey })
    await product().call(lost, 'POST', '/v1/memories', { text: 'one more, in the increment' })
    await product().settle()
    const increment = await written(product(), store, { kind: 'increment', key: firstKey })
    const then = await answers(product(), lost)
    expect(then).not.toEqual(before)
    // the accident
    await adminSql(product(), `delete from memories where tenant_id = ${lost.tenantId}`)
    const others = async () =>
      JSON.stringify(Object.entries(await dump(product())).map(([table, rows]) => [table, rows.filter((row) => row.includes(`"tenant_id": ${other.tenantId},`))]))
    const untouched = await others()
    const report = await restoreTenant(product().local.db.owner, at(store, increment.name), { key: firstKey, tenant: lost.tenant, as: 'brought-back' })
    expect(report).toMatchObject({ tenant: lost.tenant, as: 'brought-back', tables: { memories: expect.any(Number), vectors: expect.any(Number), links: 1 } })
    expect(await others()).toBe(untouched)
    const back = await callerOf(product(), 'brought-back')
    expect(await answers(product(), back)).toEqual(then)
    // it goes on: new keys, its events are delivered, and nobody else sees it
    expect((await product().call(back, 'POST', '/v1/memories', { text: 'after the accident' })).status).toBe(201)
    await product().settle()
    const { body } = await product().call(back, 'POST', '/v1/recall', { query: 'accident', mode: 'vector' })
    expect(body.results[0]).toMatchObject({ text: 'after the accident', index_state: 'indexed' })
    const [pending] = await adminSql<{ n: number }>(product(), `select count(*)::integer as n from outbox where tenant_id = ${back.tenantId} and status = 'pending'`)
    expect(pending?.n).toBe(0)
    // it is written down for who looks after the installation, and for the tenant itself
    const noted = await adminSql(product(), `select tenant_id, target, detail->>'tenant' as tenant from audit_log where action = 'tenant.restore' order by 1`)
    expect(noted).toEqual([0, back.tenantId].map((tenant_id) => ({ tenant_id, target: 'brought-back', tenant: lost.tenant })))
  })

  test('is refused under a name that is taken or none, when the archive does not have it, and when it is stopped: then nothing has changed', async () => {
    const caller = await busyTenant(product())
    const { place } = await backedUp(product(), firstKey)
    const before = await dump(product())
    const from = (tenant: string, as: string, signal?: AbortSignal) => restoreTenant(product().local.db.owner, place, { key: firstKey, tenant, as, signal })
    await expect(from(caller.tenant, caller.tenant)).rejects.toThrow(`There is a tenant "${caller.tenant}" already`)
    await expect(from(caller.tenant, 'Not a name')).rejects.toThrow('"Not a name" is no name of a tenant')
    await expect(from('nobody', 'somebody')).rejects.toThrow('The archive has no tenant "nobody".')
    const ending = new AbortController()
    const stopped = restoreTenant(product().local.db.owner, place, {
      ...{ key: firstKey, tenant: caller.tenant, as: 'somebody', signal: ending.signal },
      onProgress: (step) => step === 'load' && ending.abort(),
    })
    await expect(stopped).rejects.toThrow('there is no new tenant')
    expect(await dump(product())).toEqual(before)
  })

  test('goes into another installation, whose embedding models have other keys', async () => {
    const caller = await busyTenant(product())
    const { place } = await backedUp(product(), firstKey)
    const then = await answers(product(), caller)
    await withTarget(product().engine, async (target) => {
      await adminSql(target, `insert into embedding_models (name, dimension) values ('of-its-own', 8)`)
      const own = await busyTenant(target)
      const report = await restoreTenant(target.local.db.owner, place, { key: firstKey, tenant: caller.tenant, as: 'guest' })
      expect(report.tables.vectors).toBeGreaterThan(0)
      expect(await answers(target, await callerOf(target, 'guest'))).toEqual(then)
      expect((await target.call(own, 'POST', '/v1/recall', { query: 'tea' })).status).toBe(200)
    })
  })

  test('has an archive of its own, which holds nobody else, and fills an empty database', async () => {
    const [caller, other] = [await busyTenant(product()), await busyTenant(product())]
    const store = memoryStore()
    const report = await backUp(product().local.db.worker, { store, prefix: '' }, { tenant: caller.tenant })
    expect(report).toMatchObject({ tenants: 1, tables: { tenants: 1, api_keys: 1 } })
    await expect(backUp(product().local.db.worker, { store: memoryStore(), prefix: '' }, { tenant: 'nobody' })).rejects.toThrow('There is no tenant "nobody" to back up.')
    await withTarget(product().engine, async (target) => {
      await restore(target.local.db.owner, { store, prefix: '' })
      expect(await answersOf(target, caller, 'same engine')).toEqual(await answersOf(product(), caller, 'same engine'))
      expect((await target.call(other, 'GET', '/stats')).status).toBe(401)
    })
  })
})
