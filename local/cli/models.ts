import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import type { Database } from '../../shared/db/index.ts'
import { createEmbedder, createNextEmbedder } from '../../shared/embed/index.ts'
import { dropModel, introduceModel, listModels, type ModelState, type ModelStatus, objectionTo, removeDropped, statusOf, switchModel } from '../../shared/model/index.ts'
import { onDatabase } from './database.ts'
import { CommandError } from './failure.ts'
import { configOf, type Globals, refuseUrl } from './globals.ts'
import { interruptible } from './interruptible.ts'
import { addCompare } from './models-compare.ts'
import { answer, count, table } from './output.ts'
import { numberText, showProgress } from './progress.ts'

const groupExamples = `
A new embedding model takes over without downtime: EMBEDDER_NEXT and its variables name it in every process, introduce has its vectors made beside the others,
compare shows what it would find, switch has recall search it, and drop removes those of the one before. docs/runbook.md tells it step by step.

Examples:
  $ npx soma models introduce
  $ npx soma models status --watch
  $ npx soma models compare
  $ npx soma models switch bge-m3
  $ npx soma models drop hash-trigram-1`

const whenServed = 'Stop it, run this again, and start it: the embedded engine serves one process at a time. On a real Postgres this runs beside the servers.'
const watchMs = 5_000

export function addModels(program: Command): void {
  const group = program.command('models').description('introduce another embedding model, compare, switch and drop').addHelpText('after', groupExamples)
  group
    .command('list')
    .description('the models that are known here, and what each is for')
    .addHelpText('after', '\nExamples:\n  $ npx soma models list\n  $ npx soma models list --json')
    .action(async (_options, command: Command) => {
      const globals = command.optsWithGlobals<Globals>()
      const models = await onWorker(globals, 'list', listModels)
      answer(globals, { models }, listText(models))
    })
  group
    .command('introduce')
    .description("have the vectors of EMBEDDER_NEXT's model made, beside those of the model that is searched")
    .addHelpText('after', '\nSet EMBEDDER_NEXT and what belongs to it in every process first.\n\nExamples:\n  $ npx soma models introduce')
    .action(async (_options, command: Command) => {
      const globals = command.optsWithGlobals<Globals>()
      const config = await configOf(globals)
      const embedders = { embedder: createEmbedder(config), next: createNextEmbedder(config) }
      const roles = await onWorker(globals, 'introduce', (worker) => introduceModel(worker, embedders, operator()))
      answer(globals, roles, `${roles.kept?.name} gets its vectors from now on, and the job reembed makes those of what is there. Recall goes on searching ${roles.searched.name}.`)
    })
  group
    .command('status')
    .description('how many memories have a vector of each model, and what is missing')
    .option('--watch', 'go on until the model that is introduced has all')
    .addHelpText('after', '\nExit code 1 when a model lacks something.\n\nExamples:\n  $ npx soma models status\n  $ npx soma models status --watch')
    .action(async (_options, command: Command) => {
      const { watch, ...globals } = command.optsWithGlobals<Globals & { watch?: true }>()
      const models = await onWorker(globals, 'status', (worker, engine) =>
        interruptible((signal) => (watch ? watched(worker, engine, globals, signal) : statuses(worker, engine, signal))),
      )
      answer(globals, { models }, statusText(models))
      if (models.some(objectionTo)) process.exitCode = 1
    })
  addCompare(group)
  group
    .command('switch <model>')
    .description('have recall search the model that is kept beside; the one before is kept, so it can be switched back')
    .option('--force', 'although it lacks vectors or indexes')
    .addHelpText('after', '\nExamples:\n  $ npx soma models switch bge-m3\n  $ npx soma models switch bge-m3 --force')
    .action(async (model: string, _options, command: Command) => {
      const { force = false, ...globals } = command.optsWithGlobals<Globals & { force?: true }>()
      const switched = await onWorker(globals, 'switch', (worker, engine) => interruptible((signal) => switchModel(worker, model, operator(), { force, signal, engine })))
      const queued = switched.queued ? ` ${count(switched.queued, 'memory waits', 'memories wait')} for a vector of it.` : ''
      answer(globals, switched, `Recall searches ${model}.${queued} ${switched.roles.kept?.name} is kept: \`soma models switch ${switched.roles.kept?.name}\` goes back.`)
    })
  group
    .command('drop <model>')
    .description('remove the vectors of a model that is not searched, for good')
    .option('--yes', 'do it')
    .addHelpText('after', '\nIts HNSW indexes are removed by the job build-ann.\n\nExamples:\n  $ npx soma models drop hash-trigram-1 --yes')
    .action(async (model: string, _options, command: Command) => {
      const { yes, ...globals } = command.optsWithGlobals<Globals & { yes?: true }>()
      if (!yes) throw new CommandError('usage', `The vectors of ${model} are gone for good then, and there is no switching back: add --yes.`)
      const dropped = await onWorker(globals, 'drop', (worker) => interruptible((signal) => drop(worker, model, globals, signal)))
      const rest = dropped.whole ? '' : ' The job reembed removes the rest.'
      answer(globals, dropped, `${model} is dropped: ${count(dropped.removed, 'vector')} removed.${rest} Its HNSW indexes go with the next run of the job build-ann.`)
    })
}

const operator = () => ({ actor: 'cli', requestId: randomUUID() })

/** `engine`: a second vector engine is searched. */
async function onWorker<T>(globals: Globals, name: string, work: (worker: Database, engine: boolean) => Promise<T>): Promise<T> {
  refuseUrl(globals, `models ${name}`)
  const config = await configOf(globals)
  return onDatabase(config, 'worker', whenServed, (worker) => work(worker, config.VECTOR_ENGINE === 'milvus'))
}

async function drop(worker: Database, model: string, globals: Globals, signal: AbortSignal) {
  const roles = await dropModel(worker, model, operator())
  const progress = showProgress(globals, { label: 'Removing', unit: 'vectors' })
  return { roles, ...(await removeDropped(worker, signal, progress.report).finally(progress.end)) }
}

async function statuses(worker: Database, engine: boolean, signal: AbortSignal): Promise<ModelStatus[]> {
  const found: ModelStatus[] = []
  for (const model of await listModels(worker)) if (model.use === 'searched' || model.use === 'kept') found.push(await statusOf(worker, model, signal, { engine }))
  return found
}

async function watched(worker: Database, engine: boolean, globals: Globals, signal: AbortSignal): Promise<ModelStatus[]> {
  const progress = showProgress(globals, { label: 'Embedding', unit: 'vectors' })
  try {
    for (;;) {
      const models = await statuses(worker, engine, signal)
      const kept = models.find(({ use }) => use === 'kept')
      if (!kept) return models
      progress.report(kept.covered + kept.covered_versions, kept.memories + kept.versions)
      if (kept.covered === kept.memories && kept.covered_versions === kept.versions) return models
      await sleep(watchMs, undefined, { signal })
    }
  } finally {
    progress.end()
  }
}

const uses = { searched: 'recall searches it', kept: 'kept beside', dropped: 'dropped' } as const

function listText(models: ModelState[]): string {
  if (!models.length) return 'No model is known here yet: the first memory that is indexed brings it.'
  return table([['MODEL', 'DIMENSION', 'USE'], ...models.map(({ name, dimension, use }) => [name, String(dimension), use ? uses[use] : ''])])
}

function statusText(models: ModelStatus[]): string {
  if (!models.length) return 'There is one model only, the configured one: `soma models introduce` begins with another.'
  const share = (part: number, whole: number) => `${numberText(part)} of ${numberText(whole)}`
  const rows = models.map((one) => [
    one.name,
    uses[one.use as 'searched'],
    share(one.covered, one.memories),
    share(one.covered_versions, one.versions),
    String(one.missing_indexes.length),
    one.progress ? `${one.progress.per_second}/s at ${one.progress.counted_at}` : '',
  ])
  const said = models.map((one) => objectionTo(one) ?? `${one.name} has all it needs.`)
  return `${table([['MODEL', 'USE', 'MEMORIES', 'CLOSED VERSIONS', 'INDEXES MISSING', 'JOB'], ...rows])}\n${said.join('\n')}`
}
