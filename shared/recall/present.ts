import type { Sql } from '../db/index.ts'
import { type Params, params } from '../filter/index.ts'
import { type MemoryRow, memoryColumns, memoryOf, sourcesAt } from '../memory/index.ts'
import type { Candidate } from './fuse.ts'
import { type LexicalArm, matchedTerms } from './lexical.ts'
import type { Explanation, RecallInput, RecallResult } from './schema.ts'
import type { View } from './view.ts'
import { semanticWeight } from './weights.ts'

const charactersPerToken = 4
export type About = { lexical: LexicalArm; terms: string[]; model: string }

/** The first `top_k` above the threshold, read whole and under the same conditions again (one may have changed meanwhile), cut to the token budget. */
export async function present(tx: Sql, tenantId: number, ranked: Candidate[], input: RecallInput, view: (p: Params) => View, about: About): Promise<RecallResult[]> {
  const threshold = input.threshold ?? 0
  const chosen = ranked.filter((one) => one.score >= threshold).slice(0, input.top_k)
  if (!chosen.length) return []
  const keys = chosen.map((one) => one.key)
  const byKey = await readWhole(tx, tenantId, chosen, view)
  const matched = input.explain ? await matchedTerms(tx, tenantId, keys, about.terms, input.as_of) : undefined
  const results: RecallResult[] = []
  let left = input.max_tokens ?? Number.POSITIVE_INFINITY
  for (const one of chosen) {
    const row = byKey.get(one.key)
    if (!row) continue
    left -= Math.ceil(row.text.length / charactersPerToken)
    if (left < 0) break
    const explained = matched ? { explain: explain(one, about, matched.get(one.key) ?? []) } : {}
    results.push({ ...memoryOf(row), score: one.score, score_breakdown: one.breakdown, ...explained })
  }
  return results
}

/** Each from the table it was found in; what was open then and has been closed since is found in the other. */
async function readWhole(tx: Sql, tenantId: number, chosen: Candidate[], view: (p: Params) => View): Promise<Map<string, MemoryRow>> {
  const found = new Map<string, MemoryRow>()
  for (const past of [false, true]) {
    const wanted = chosen.filter((one) => (past || !one.closed) && !found.has(one.key)).map((one) => one.key)
    const p = params([tenantId, wanted])
    const { conditions, known } = view(p)
    const source = sourcesAt(known)[Number(past)]
    if (!source || !wanted.length) continue
    const rows = await tx.query<MemoryRow>(
      `select ${memoryColumns} from ${source.table} m where m.tenant_id = $1::integer and m.memory_key = any ($2::bigint[]) and ${source.condition} and ${conditions}`,
      p.values,
    )
    for (const row of rows) found.set(row.memory_key, row)
  }
  return found
}

function explain(one: Candidate, about: About, terms: string[]): Explanation {
  const weight = semanticWeight[about.model] ?? (semanticWeight.default as number)
  const words = terms.length ? `matched ${terms.join(', ')}` : 'matched no word'
  const meaning = one.cosine === null ? 'no vector yet' : `cosine ${one.cosine.toFixed(3)}`
  return { bm25: one.bm25, bm25_of: about.lexical.mass, matched_terms: terms, cosine: one.cosine, semantic_weight: weight, text: `${words}; ${meaning}` }
}
