/** Drains as a worker does until it is killed: what waits is embedded, written to Milvus and then to Postgres. Says each time that it has begun. */
import { openLocal } from '../../local/adapter.ts'
import { parseConfig } from '../../shared/config/index.ts'
import { createLog } from '../../shared/telemetry/index.ts'

const config = parseConfig(process.env)
const local = await openLocal(config, createLog(config.LOG_LEVEL))
console.log('ready')
for (;;) await local.runJob('drain-outbox').catch(() => {})
