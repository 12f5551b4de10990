import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import type { Sql } from '../../shared/db/index.ts'
import { adminSql, loseWakeUps } from '../db/admin.ts'
import { auditOf } from '../support/audit.ts'
import { type Caller, describeEngines } from '../support/engines.ts'

const numRuns = process.env.SOMA_FULL === '1' ? 300 : 25
const connections = 4
const which = fc.nat({ max: connections - 1 })
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('write' as const), which, rows: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('savepoint' as const), which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('undo' as const), which }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('commit' as const), which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rollback' as const), which }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('seal' as const), sealers: fc.integer({ min: 1, max: 2 }), pageSize: fc.integer({ min: 1, max: 4 }) }) },
)
type Step = typeof step extends fc.Arbitrary<infer One> ? One : never
const row = `insert into audit_log (tenant_id, at, actor, action) values ($1::integer, now(), 'test', $2::text)`

/** A transaction: what it wrote since its last savepoint, and before. */
type Open = { tx: Sql; end(how: 'commit' | 'rollback'): Promise<void>; kept: string[]; tail: string[]; saved: boolean }

describeEngines(
  'the chain, whatever is open, commits, rolls back and is sealed in whatever order',
  (product) => {
    const { seal, verify } = auditOf(product)
    beforeAll(() => loseWakeUps(product()))

    async function begin(caller: Caller): Promise<Open> {
      const started = Promise.withResolvers<Sql>()
      const ending = Promise.withResolvers<'commit' | 'rollback'>()
      const undo = new Error('rolled back')
      const running = product()
        .local.db.app.transaction({ role: 'soma_app', tenantId: caller.tenantId }, async (tx) => {
          started.resolve(tx)
          if ((await ending.promise) === 'rollback') throw undo
        })
        .catch((error) => {
          if (error !== undo && error.cause !== undo) throw error
        })
      const end = async (how: 'commit' | 'rollback') => {
        ending.resolve(how)
        await running
      }
      return { tx: await started.promise, end, kept: [], tail: [], saved: false }
    }

    test('has every row of what committed in one place, and none of what did not', { timeout: 300_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps: Step[]) => {
          const ada = await product().tenant()
          const open = new Map<number, Open>()
          const committed: string[] = []
          let written = 0
          const finish = async (of: number, how: 'commit' | 'rollback') => {
            const one = open.get(of)
            if (!one) return
            open.delete(of)
            await one.end(how)
            if (how === 'commit') committed.push(...one.kept, ...one.tail)
          }
          const perform: { [kind in Step['kind']]: (given: Extract<Step, { kind: kind }>) => Promise<unknown> } = {
            async write({ which: of, rows }) {
              const one = open.get(of) ?? (await begin(ada))
              open.set(of, one)
              for (let i = 0; i < rows; i++) {
                const action = `row.${++written}`
                await one.tx.query(row, [ada.tenantId, action])
                one.tail.push(action)
              }
            },
            async savepoint({ which: of }) {
              const one = open.get(of)
              if (!one) return
              await one.tx.query('savepoint place')
              one.kept.push(...one.tail.splice(0))
              one.saved = true
            },
            async undo({ which: of }) {
              const one = open.get(of)
              if (!one?.saved) return
              await one.tx.query('rollback to place')
              one.tail.length = 0
            },
            commit: ({ which: of }) => finish(of, 'commit'),
            rollback: ({ which: of }) => finish(of, 'rollback'),
            seal: ({ sealers, pageSize }) => Promise.all(Array.from({ length: sealers }, () => seal(ada, { pageSize }))),
          }
          for (const one of steps) {
            await (perform[one.kind] as (given: Step) => Promise<unknown>)(one)
            if (one.kind === 'seal') expect(await verify(ada)).toMatchObject({ ok: true, position: committed.length, waiting: 0 })
          }
          for (const of of [...open.keys()]) await finish(of, of % 2 ? 'rollback' : 'commit')
          await seal(ada)
          expect(await verify(ada)).toMatchObject({ ok: true, position: committed.length, waiting: 0 })
          const chained = await adminSql<{ action: string }>(
            product(),
            'select l.action from audit_chain c join audit_log l on l.tenant_id = c.tenant_id and l.seq = c.seq where c.tenant_id = $1::integer',
            [ada.tenantId],
          )
          expect(chained.map(({ action }) => action).toSorted()).toEqual(committed.toSorted())
        }),
        { numRuns },
      )
    })
  },
  ['postgres 18', 'postgres 16'],
)
