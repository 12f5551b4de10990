import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { createEmbedder, createNextEmbedder } from '../../shared/embed/index.ts'
import { type Comparison, compareModels, type Query, sampleQueries } from '../../shared/model/index.ts'
import { operatorOf } from './administer.ts'
import { connected } from './connect.ts'
import { CommandError } from './failure.ts'
import { configOf, type Globals, integer, refuseUrl } from './globals.ts'
import { interruptible } from './interruptible.ts'
import { answer, oneLine, table } from './output.ts'
import { showProgress } from './progress.ts'

type Options = Globals & { tenant: string; namespace: string; queries?: string; sample: number; topK: number; mode: string }

const examples = `
Each query is asked of both models. OVERLAP is the share of results that both find, RANK CORRELATION (Spearman) how alike they order these, SAME FIRST how often
the first result is the same: high figures say that little changes, not which of the two is better. Without --queries, texts of memories serve as queries, each
without itself among its results; queries as your agents ask them tell more.

Examples:
  $ npx soma models compare
  $ npx soma models compare --tenant acme --queries queries.txt --mode vector
  $ npx soma models compare --sample 500 -k 20 --json`

export function addCompare(group: Command): void {
  group
    .command('compare')
    .description('ask the same queries of both models: what they find alike, and how fast')
    .option('--tenant <name>', 'whose memories', 'default')
    .option('--queries <path>', 'a file with one query a line')
    .option('--namespace <name>', 'where the queries of the file are asked', 'default')
    .option('--sample <number>', 'so many texts of memories as queries, without a file', integer, 100)
    .option('-k, --top-k <number>', 'results that are compared, 1 to 99', integer, 10)
    .option('--mode <mode>', 'hybrid or vector', 'hybrid')
    .addHelpText('after', examples)
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      refuseUrl(options, 'models compare')
      const { topK, mode } = options
      if (topK < 1 || topK > 99) throw new CommandError('usage', '--top-k takes a number from 1 to 99.')
      if (mode !== 'hybrid' && mode !== 'vector') throw new CommandError('usage', '--mode takes hybrid or vector: words are the same for both models.')
      const config = await configOf(options)
      const embedders = { embedder: createEmbedder(config), next: createNextEmbedder(config) }
      const comparison = await connected(options, async ({ local, servedAt }) => {
        if (!local) throw new CommandError('unavailable', `A server at ${servedAt} has the embedded database open. Stop it, run this again, and start it.`)
        const ctx = await operatorOf(local, options.tenant)
        const queries = options.queries === undefined ? await sampleQueries(local.db.app, ctx.tenantId, options.sample) : await queriesOf(options.queries, options.namespace)
        if (!queries.length) throw new CommandError('not_found', 'There is nothing to ask: no query in the file, or no memory of that tenant.')
        const progress = showProgress(options, { label: 'Asking', unit: 'queries', total: queries.length })
        return interruptible((signal) => compareModels(ctx, embedders, queries, { top_k: topK, mode, signal, onProgress: progress.report })).finally(progress.end)
      })
      answer(options, comparison, textOf(comparison))
    })
}

async function queriesOf(path: string, namespace: string): Promise<Query[]> {
  const text = await readFile(path, 'utf8').catch((cause) => {
    throw new CommandError('not_found', `The file ${path} cannot be read (${(cause as NodeJS.ErrnoException).code}).`, cause)
  })
  const lines = text.split('\n').map((line) => line.trim())
  return lines.filter(Boolean).map((line) => ({ text: line, namespace }))
}

function textOf({ queries, top_k, mode, searched, kept, overlap, rank_correlation, same_first, furthest }: Comparison): string {
  const share = (value: number | null) => (value === null ? '–' : value.toFixed(3))
  const sides = table([
    ['MODEL', '', 'P50', 'P95'],
    ...[searched, kept].map((side, i) => [side.model, i ? 'kept beside' : 'recall searches it', `${side.p50_ms} ms`, `${side.p95_ms} ms`]),
  ])
  const figures = `${queries} queries, the first ${top_k} by ${mode}: overlap ${share(overlap)}, rank correlation ${share(rank_correlation)}, same first ${share(same_first)}.`
  const apart = furthest.filter((one) => one.overlap < 1).map((one) => `  ${one.overlap.toFixed(2)}  ${oneLine(one.query, 100)}`)
  return [sides, figures, ...(apart.length ? ['Furthest apart:', ...apart] : [])].join('\n')
}
