import type { Command } from 'commander'
import { createEmbedder } from '../../shared/embed/index.ts'
import { countIndex, type ModelCount } from '../../shared/vector/index.ts'
import { onDatabase } from './database.ts'
import { CommandError } from './failure.ts'
import { configOf, type Globals, refuseUrl } from './globals.ts'
import { answer, count, table } from './output.ts'

type Options = Globals & { tenant: string }

const examples = `
Exit code 1 when a memory has no vector of the model that is searched and does not wait for one, or when a vector is of another version than its memory.

Examples:
  $ npx soma verify-index
  $ npx soma verify-index --tenant acme --json`

export function addVerifyIndex(program: Command): void {
  program
    .command('verify-index')
    .description('hold the vectors of a tenant against its memories, model by model')
    .option('--tenant <name>', 'whose', 'default')
    .addHelpText('after', examples)
    .action(async (_options, command: Command) => {
      const { tenant, ...globals } = command.optsWithGlobals<Options>()
      refuseUrl(globals, 'verify-index')
      const config = await configOf(globals)
      const { model, dimension } = createEmbedder(config)
      const found = await onDatabase(config, 'worker', 'Stop it and run this again.', async (worker) => {
        const [row] = await worker.statement<{ tenant_id: number }>(
          { role: 'soma_worker', tenantId: null, readOnly: true },
          'select tenant_id from tenants where name = $1::text',
          [tenant],
        )
        if (!row) throw new CommandError('not_found', `There is no tenant "${tenant}".`)
        return countIndex(worker, row.tenant_id)
      })
      // before the first memory is indexed its model is not known to the database
      const configured = found.models.find((one) => one.model === model && one.dimension === dimension)
      const current: ModelCount = found.models.find((one) => one.use === 'searched') ??
        configured ?? {
          model,
          dimension,
          use: null,
          vectors: 0,
          missing: found.memories - found.pending,
          stale: 0,
        }
      const whole = current.missing === 0 && current.stale === 0
      const models = found.models.includes(current) ? found.models : [...found.models, current]
      const rows = models.map((one) => [one.model, one.use ?? '', String(one.dimension), String(one.vectors), String(one.missing), String(one.stale)])
      const text = `${table([['MODEL', 'USE', 'DIMENSION', 'VECTORS', 'MISSING', 'STALE'], ...rows])}\n${count(found.memories, 'memory', 'memories')}, ${found.pending} waiting for a vector.`
      answer(globals, { tenant, ...found, models, current, whole }, text)
      if (!whole) process.exitCode = 1
    })
}
