import type { Command } from 'commander'
import { createEmbedder, createNextEmbedder } from '../../shared/embed/index.ts'
import { type VectorCheck, verifyTenant } from '../../shared/model/index.ts'
import { countIndex, type ModelCount, modelsInUse } from '../../shared/vector/index.ts'
import { onDatabase } from './database.ts'
import { withEngine } from './engine.ts'
import { CommandError } from './failure.ts'
import { configOf, type Globals, quietLog, refuseUrl } from './globals.ts'
import { interruptible } from './interruptible.ts'
import { answer, count, table } from './output.ts'

type Options = Globals & { tenant: string; repair?: true }
/** Of a model in use; `engine_vectors` is null where Postgres alone has its vectors. */
type Checked = { model: string } & VectorCheck

const examples = `
With VECTOR_ENGINE=milvus its places are held against the vectors of Postgres too, every one by its name and a sample by its numbers; they count as missing or
stale like vectors. The job verify-index does the same for all tenants, daily, and repairs.

Exit code 1 when a memory has no vector of the model that is searched and does not wait for one, or when a vector is of another version than its memory; with
--repair when some of it could not be mended.

Examples:
  $ npx soma verify-index
  $ npx soma verify-index --repair
  $ npx soma verify-index --tenant acme --json`

export function addVerifyIndex(program: Command): void {
  program
    .command('verify-index')
    .description('hold the vectors of a tenant against its memories, model by model')
    .option('--tenant <name>', 'whose', 'default')
    .option('--repair', 'make the vectors that are missing, and remove those that are stale')
    .addHelpText('after', examples)
    .action(async (_options, command: Command) => {
      const { tenant, repair = false, ...globals } = command.optsWithGlobals<Options>()
      refuseUrl(globals, 'verify-index')
      const config = await configOf(globals)
      const log = quietLog(config)
      const embedder = createEmbedder(config)
      const { model, dimension } = embedder
      const refused = (place: object, error: unknown) => log.warn({ ...place, err: error }, 'an embedder does not take a text: it stays without a vector of that model')
      const { found, checks } = await withEngine(config, (engine) =>
        onDatabase(config, 'worker', 'Stop it and run this again.', async (worker) => {
          const [row] = await worker.statement<{ tenant_id: number }>(
            { role: 'soma_worker', tenantId: null, readOnly: true },
            'select tenant_id from tenants where name = $1::text',
            [tenant],
          )
          if (!row) throw new CommandError('not_found', `There is no tenant "${tenant}".`)
          const deps = { worker, engine, embedder, next: createNextEmbedder(config), onRefused: refused }
          const verify = async (mend: boolean, signal: AbortSignal) => {
            const checked: Checked[] = []
            for (const one of await modelsInUse(worker, embedder)) checked.push({ model: one.name, ...(await verifyTenant({ ...deps, repair: mend }, row.tenant_id, one, signal)) })
            return checked
          }
          return interruptible(async (signal) => {
            const first = repair || engine ? await verify(repair, signal) : []
            // what is left after the repair decides
            const left = repair ? (await verify(false, signal)).map((one, i) => ({ ...one, repaired: first[i]?.repaired ?? 0 })) : first
            return { found: await countIndex(worker, row.tenant_id), checks: left }
          })
        }),
      )
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
      const whole = current.missing === 0 && current.stale === 0 && checks.every((check) => check.missing === 0 && check.stale === 0)
      const models = found.models.includes(current) ? found.models : [...found.models, current]
      const rows = models.map((one) => [one.model, one.use ?? '', String(one.dimension), String(one.vectors), String(one.missing), String(one.stale)])
      const text = `${table([['MODEL', 'USE', 'DIMENSION', 'VECTORS', 'MISSING', 'STALE'], ...rows])}\n${count(found.memories, 'memory', 'memories')}, ${found.pending} waiting for a vector.`
      answer(globals, { tenant, ...found, models, current, checks, whole }, [text, ...checks.map((check) => checkText(check, repair))].join('\n'))
      if (!whole) process.exitCode = 1
    })
}

function checkText({ model, engine_vectors, missing, stale, repaired }: Checked, repair: boolean): string {
  const there = engine_vectors === null ? '' : `${count(engine_vectors, 'place')} in the vector engine, `
  return `${model}: ${there}${missing} missing and ${stale} stale in all${repair ? `, ${repaired} repaired` : ''}.`
}
