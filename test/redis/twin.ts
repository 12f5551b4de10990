import { openLocal } from '../../local/adapter.ts'
import { parseConfig } from '../../shared/config/index.ts'
import { createLog } from '../../shared/telemetry/index.ts'
import { answerOf, type Product, requestOf } from '../support/engines.ts'

/** The same product once more, on the same database: pools, caches and counters of its own, as another process has them. */
export type Twin = Pick<Product, 'call'> & { close(): Promise<void> }

export async function openTwin({ local }: Product, more: Record<string, string>): Promise<Twin> {
  const { POSTGRES_URL = '', POSTGRES_MIGRATION_URL = '' } = local.config
  const config = parseConfig({ AUTH_MODE: 'mixed', LOG_LEVEL: 'silent', SIGNING_KEY: 'a test signing key', POSTGRES_URL, POSTGRES_MIGRATION_URL, ...more })
  const twin = await openLocal(config, createLog(config.LOG_LEVEL))
  return { call: async (...asked) => answerOf(await twin.fetch(requestOf('http://soma.test', ...asked))), close: () => twin.close() }
}
