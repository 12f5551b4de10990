import { expect, test } from 'vitest'
import { sealTenant } from '../../shared/audit/index.ts'
import type { Sql } from '../../shared/db/index.ts'
import { auditOf } from '../support/audit.ts'
import { type Caller, describeEngines, type Product } from '../support/engines.ts'
import { adminSql } from './admin.ts'

const row = `insert into audit_log (tenant_id, at, actor, action, request_id) values ($1::integer, now(), 'test', $2::text, 'r')`

/** The actions in the order of their places, and that these are 1 to n. */
async function chained(product: Product, caller: Caller): Promise<string[]> {
  const rows = await adminSql<{ action: string; position: number }>(
    product,
    `select l.action, c.position::integer as position from audit_chain c join audit_log l on l.tenant_id = c.tenant_id and l.seq = c.seq where c.tenant_id = $1::integer order by c.position`,
    [caller.tenantId],
  )
  expect(rows.map(({ position }) => position)).toEqual(rows.map((_, i) => i + 1))
  return rows.map(({ action }) => action)
}

/** A transaction that stays open until it is told how to end. */
async function openTransaction(
  product: Product,
  caller: Caller,
): Promise<{ write(action: string): Promise<unknown>; run(text: string): Promise<unknown>; end(how: 'commit' | 'rollback'): Promise<void> }> {
  const started = Promise.withResolvers<Sql>()
  const ending = Promise.withResolvers<'commit' | 'rollback'>()
  const undo = new Error('rolled back')
  const running = product.local.db.app
    .transaction({ role: 'soma_app', tenantId: caller.tenantId }, async (tx) => {
      started.resolve(tx)
      if ((await ending.promise) === 'rollback') throw undo
    })
    .catch((error) => {
      if (error !== undo && error.cause !== undo) throw error
    })
  const tx = await started.promise
  return {
    write: (action) => tx.query(row, [caller.tenantId, action]),
    run: (text) => tx.query(text),
    async end(how) {
      ending.resolve(how)
      await running
    },
  }
}

const servers: Product['engine'][] = ['postgres 18', 'postgres 16']

describeEngines(
  'sealing while transactions are open',
  (product) => {
    const { seal, verify, write, deps } = auditOf(product)

    test('one that stays open while later ones commit and are sealed gets its places when it commits; nothing of one that rolls back', async () => {
      const ada = await product().tenant()
      const [slow, never] = [await openTransaction(product(), ada), await openTransaction(product(), ada)]
      await slow.write('slow.first')
      await never.write('never')
      for (const n of [1, 2, 3, 4, 5, 6, 7]) {
        await write(ada, [`quick.${n}`])
        expect(await seal(ada)).toMatchObject({ sealed: 1, finished: true })
      }
      await slow.write('slow.last')
      await slow.end('commit')
      await never.end('rollback')
      await write(ada, ['after'])
      expect(await seal(ada)).toMatchObject({ sealed: 3, finished: true })
      expect((await chained(product(), ada)).toSorted()).toEqual(['after', 'quick.1', 'quick.2', 'quick.3', 'quick.4', 'quick.5', 'quick.6', 'quick.7', 'slow.first', 'slow.last'])
      expect(await verify(ada)).toMatchObject({ ok: true, position: 10, waiting: 0 })
    })

    test('rows of subtransactions count as their transaction’s: kept ones are sealed, and none of what was undone', async () => {
      const ada = await product().tenant()
      const open = await openTransaction(product(), ada)
      await open.write('before')
      await open.run('savepoint one')
      await open.write('inside')
      await open.run('savepoint two')
      await open.write('undone')
      await open.run('rollback to two')
      await open.run('release one')
      await write(ada, ['beside'])
      await seal(ada)
      expect(await chained(product(), ada)).toEqual(['beside'])
      await open.end('commit')
      await seal(ada)
      expect((await chained(product(), ada)).toSorted()).toEqual(['before', 'beside', 'inside'])
    })

    test('two sealers at once, and more, give each row one place', async () => {
      const ada = await product().tenant()
      await write(
        ada,
        Array.from({ length: 20 }, (_, i) => `row.${i}`),
      )
      const all = await Promise.all(Array.from({ length: 4 }, () => seal(ada, { pageSize: 2 })))
      expect(all.reduce((sum, one) => sum + one.sealed, 0)).toBe(20)
      expect(await chained(product(), ada)).toHaveLength(20)
      expect(await verify(ada)).toMatchObject({ ok: true, waiting: 0 })
    })

    test('a sealer that dies in the middle leaves a chain that the next one goes on with', async () => {
      const ada = await product().tenant()
      await write(
        ada,
        Array.from({ length: 9 }, (_, i) => `row.${i}`),
      )
      const worker = product().local.db.worker
      let pages = 0
      // its connection is gone before the second page is committed
      const dying = {
        ...worker,
        transaction: ((access, work) =>
          worker.transaction(access, async (tx) => {
            const done = await work(tx)
            if (++pages === 2) throw new Error('gone')
            return done
          })) as typeof worker.transaction,
      }
      await expect(sealTenant(deps({ worker: dying }), ada.tenantId, new AbortController().signal)).rejects.toThrow('gone')
      expect(await chained(product(), ada)).toHaveLength(3)
      expect(await verify(ada)).toMatchObject({ ok: true, position: 3, waiting: 6 })
      expect(await seal(ada)).toMatchObject({ sealed: 6, finished: true })
      expect(await verify(ada)).toMatchObject({ ok: true, position: 9, waiting: 0 })
    })

    test('tables that were copied from a cluster with more transactions are sealed on', async () => {
      const ada = await product().tenant()
      await write(ada, ['a', 'b'])
      await seal(ada)
      await adminSql(product(), `update audit_heads set horizon = '900000000000' where tenant_id = $1::integer`, [ada.tenantId])
      await write(ada, ['c'])
      expect(await seal(ada)).toMatchObject({ sealed: 1, finished: true })
      expect(await verify(ada)).toMatchObject({ ok: true, position: 3, waiting: 0 })
    })
  },
  servers,
)
