import { adminSql } from '../db/admin.ts'
import { describeEngines } from '../support/engines.ts'
import { behaviour, issuerVariables } from './suite.ts'

describeEngines(
  'all handlers in one process',
  (product) => {
    behaviour(
      () => ({
        ...product(),
        async job(name) {
          await product().local.runJob(name)
        },
        sql: (text, values) => adminSql(product(), text, values),
      }),
      { streams: true },
    )
  },
  ['pglite', 'postgres 18'],
  async () => issuerVariables,
)
