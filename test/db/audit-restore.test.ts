import { beforeAll, expect, test } from 'vitest'
import { newestCheckpoints } from '../../shared/audit/index.ts'
import { restore } from '../../shared/backup/index.ts'
import { backedUp, targets, withTarget } from '../support/archives.ts'
import { auditOf } from '../support/audit.ts'
import { type Caller, describeEngines, type Product } from '../support/engines.ts'
import { adminSql, loseWakeUps } from './admin.ts'

describeEngines('a chain that is restored', (product) => {
  const { seal, verify, write } = auditOf(product)
  let ada: Caller
  beforeAll(async () => {
    await loseWakeUps(product())
    ada = await product().tenant()
  })

  test('is whole and goes on in the new generation, with what was not sealed yet; what a later checkpoint knew is told to be gone', { timeout: 120_000 }, async () => {
    await write(ada, ['a', 'b', 'c', 'd', 'e'])
    await seal(ada)
    const kept = await newestCheckpoints(product().local.db.worker, ada.tenant)
    await write(ada, ['not.sealed'])
    const { place } = await backedUp(product())
    await write(ada, ['later'])
    await seal(ada)
    const later = await newestCheckpoints(product().local.db.worker, ada.tenant)
    expect(await verify(ada, [...kept, ...later])).toMatchObject({ ok: true, position: 7 })
    const others = targets.filter((one) => one !== product().engine)
    for (const engine of others.length ? others : targets) {
      await withTarget(engine, async (target: Product) => {
        await restore(target.local.db.owner, place)
        const there = auditOf(() => target)
        expect(await there.verify(ada, kept)).toMatchObject({ ok: true, position: 5, waiting: 1 })
        expect(await there.seal(ada)).toMatchObject({ sealed: 1, finished: true })
        await there.write(ada, ['in the new generation'])
        expect(await there.seal(ada)).toMatchObject({ sealed: 1, finished: true })
        expect(await there.verify(ada, kept)).toMatchObject({ ok: true, position: 7, waiting: 0, faults: [] })
        const [last] = await adminSql<{ generation: number }>(
          target,
          `select (statement::jsonb->>'generation')::integer as generation from audit_checkpoints where tenant_id = $1::integer order by at desc limit 1`,
          [ada.tenantId],
        )
        expect(last?.generation).toBe(2)
        // the place is taken again, by another row
        expect((await there.verify(ada, later)).faults).toMatchObject([{ kind: 'differs', position: 7, detail: expect.stringContaining('generation 1') }])
      })
    }
  })
})
