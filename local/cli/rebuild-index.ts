import type { Command } from 'commander'
import { createEmbedder } from '../../shared/embed/index.ts'
import { modelsInUse, rebuildCollections } from '../../shared/vector/index.ts'
import { onDatabase } from './database.ts'
import { withEngine } from './engine.ts'
import { CommandError } from './failure.ts'
import { configOf, type Globals, refuseUrl } from './globals.ts'
import { interruptible } from './interruptible.ts'
import { answer, count } from './output.ts'
import { showProgress } from './progress.ts'

const examples = `
For VECTOR_ENGINE=milvus: each model in use gets a new collection, filled from Postgres while everything goes on, and recall asks it when it is whole. A run that
is cut short is gone on with by the next one. The collection before is removed by the job build-ann, a minute later at the earliest.

Examples:
  $ npx soma rebuild-index
  $ npx soma rebuild-index --json`

export function addRebuildIndex(program: Command): void {
  program
    .command('rebuild-index')
    .description('make the collections of the vector engine anew from Postgres, while serving')
    .addHelpText('after', examples)
    .action(async (_options, command: Command) => {
      const globals = command.optsWithGlobals<Globals>()
      refuseUrl(globals, 'rebuild-index')
      const config = await configOf(globals)
      const made = await withEngine(config, async (engine) => {
        if (!engine) throw new CommandError('usage', 'VECTOR_ENGINE is pgvector: `soma worker build-ann --once` makes the HNSW indexes that are lacking.')
        return onDatabase(config, 'worker', 'Stop it and run this again.', async (worker) => {
          const models = await modelsInUse(worker, createEmbedder(config))
          const progress = showProgress(globals, { label: 'Copying', unit: 'vectors' })
          const onCopied = (_model: unknown, copied: number) => progress.report(copied)
          return interruptible((signal) => rebuildCollections({ worker, engine, models, onCopied }, signal)).finally(progress.end)
        })
      })
      answer(globals, { collections: made }, made.map(({ model, collection, copied }) => `${model}: ${count(copied, 'vector')} copied, recall asks ${collection}.`).join('\n'))
    })
}
