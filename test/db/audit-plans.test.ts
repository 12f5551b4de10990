import { beforeAll, expect, test } from 'vitest'
import { listAudit } from '../../shared/audit/index.ts'
import { auditOf } from '../support/audit.ts'
import { type Caller, describeEngines } from '../support/engines.ts'
import { adminSql, loseWakeUps } from './admin.ts'
import { type Plan, plansOf, recording, type Statement } from './plans.ts'

describeEngines(
  'what the sealer and a list read of a large log',
  (product) => {
    const { seal, write } = auditOf(product)
    let ada: Caller

    beforeAll(async () => {
      await loseWakeUps(product())
      ada = await product().tenant()
      await adminSql(
        product(),
        `insert into audit_log (tenant_id, at, actor, action) select $1::integer, now() - n * interval '1 minute', 'test', 'many.' || chr(97 + n % 20) from generate_series(1, 8000) n`,
        [ada.tenantId],
      )
      await seal(ada, { pageSize: 4_000 })
      await adminSql(product(), 'analyze audit_log, audit_chain, audit_checkpoints, audit_heads')
      await write(ada, ['new'])
    })

    async function plansOfAll(work: (statements: Statement[]) => Promise<unknown>): Promise<Plan[]> {
      const statements: Statement[] = []
      await work(statements)
      const asked = statements.filter(({ text }) => /audit_(log|chain|checkpoints)/.test(text) && /^\s*select/.test(text))
      return (await Promise.all(asked.map((one) => plansOf(product().local.db.worker, one)))).flat()
    }

    test('the sealer reads what is behind its horizon, by the index of transactions, and the end of the chain', async () => {
      const plans = await plansOfAll((statements) => seal(ada, { worker: recording(product().local.db.worker, statements), pageSize: 500 }))
      expect(plans.length).toBeGreaterThanOrEqual(6)
      for (const { scanned, text } of plans)
        expect(
          scanned.filter((table) => table !== 'audit_heads' && table !== 'audit_checkpoints'),
          text,
        ).toEqual([])
      expect(plans.flatMap(({ indexes }) => indexes)).toContain('audit_log_xid')
    })

    test('a list reads a page by the index of times, from wherever it begins', async () => {
      for (const query of [{}, { from: '2020-01-01T00:00:00Z', to: new Date(Date.now() - 86_400_000).toISOString() }]) {
        const plans = await plansOfAll((statements) => listAudit({ ...product().ctx(ada), app: recording(product().local.db.app, statements) }, query))
        expect(plans).toHaveLength(2)
        for (const { scanned, indexes, text } of plans) expect([scanned, indexes], text).toEqual([[], expect.arrayContaining(['audit_log_at'])])
      }
    })
  },
  ['postgres 18', 'postgres 16'],
)
