import type { Command } from 'commander'
import type { RecallOut, RecallResult } from '../../shared/recall/index.ts'
import { connected } from './connect.ts'
import { type Globals, integer, jsonObject } from './globals.ts'
import { answer, count, oneLine, table } from './output.ts'
import { addScope, type ScopeOptions, scopeOf } from './scope.ts'

type Options = Globals & ScopeOptions & { topK?: number; mode?: string; language?: string; filters?: Record<string, unknown>; asOf?: string; validAt?: string; explain?: true }

const examples = `
Examples:
  $ npx soma recall 'what does Ada prefer?' --user ada
  $ npx soma recall 'where does Ada live?' --as-of 2026-03-01T09:00:00Z
  $ npx soma recall 'pier 4' -k 3 --mode lexical --explain
  $ npx soma recall 'drinks' --filters '{"tags":{"contains":"habits"}}' --json | jq '.results[].text'`

export function addRecall(program: Command): void {
  addScope(program.command('recall <query>').description('find memories by words, meaning, time and scope'))
    .option('-k, --top-k <number>', 'how many at most, 1 to 100 (default: 10)', integer)
    .option('--mode <mode>', 'hybrid, lexical or vector (default: "hybrid")')
    .option('--language <tag>', 'the language of the query, such as de (default: as it looks)')
    .option('--filters <json>', 'a filter, as in POST /v1/recall', jsonObject)
    .option('--as-of <time>', 'what was known at that instant')
    .option('--valid-at <time>', 'what was true at that instant (default: now, or --as-of)')
    .option('--explain', 'show what each score is made of')
    .addHelpText('after', examples)
    .action(async (query: string, _options, command: Command) => {
      const { topK, mode, language, filters, asOf, validAt, explain, ...options } = command.optsWithGlobals<Options>()
      const found = await connected(options, ({ client }) =>
        client.recall({
          query,
          ...scopeOf(options),
          ...(topK === undefined ? {} : { top_k: topK }),
          // which modes there are is the schema's to say
          ...(mode === undefined ? {} : { mode: mode as 'hybrid' }),
          ...(language === undefined ? {} : { language }),
          ...(filters ? { filters } : {}),
          ...(asOf === undefined ? {} : { as_of: asOf }),
          ...(validAt === undefined ? {} : { valid_at: validAt }),
          ...(explain ? { explain } : {}),
        }),
      )
      answer(options, found, textOf(found))
    })
}

function textOf({ results, total_candidates, took_ms, degraded, degraded_reasons }: RecallOut): string {
  const rows = results.map((result) => [result.score.toFixed(3), result.id, oneLine(result.text)])
  const explained = results.flatMap((result, index) => (result.explain ? [rows[index] as string[], ['', '', explanationOf(result)]] : [rows[index] as string[]]))
  const summary = `${count(results.length, 'result')} of ${count(total_candidates, 'candidate')} in ${took_ms} ms${degraded ? `; degraded: ${degraded_reasons.join(', ')}` : ''}`
  return results.length ? `${table(explained)}\n${summary}` : `Nothing was found (${summary}).`
}

function explanationOf({ score_breakdown: parts, explain }: RecallResult): string {
  const scores = Object.entries(parts).filter(([, value]) => value !== 0)
  const words = explain?.matched_terms.length ? `, words: ${explain.matched_terms.map((term) => oneLine(term)).join(' ')}` : ''
  return `${scores.map(([name, value]) => `${name} ${value.toFixed(3)}`).join(', ')}${words}`
}
