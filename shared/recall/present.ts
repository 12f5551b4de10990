import type { Sql } from '../db/index.ts'
import { type Params, params } from '../filter/index.ts'
import { type MemoryRow, memoryColumns, memoryOf, sourcesAt } from '../memory/index.ts'
import type { Parts } from '../ranking/index.ts'
import type { Candidate } from './fuse.ts'
import type { Explanation, RecallInput, RecallResult } from './schema.ts'
import type { View } from './view.ts'

const charactersPerToken = 4
/** The highest score of the words there could be, and how much a whole cosine counts beside it. */
export type About = { most: number; semanticWeight: number }

/** The first `top_k` above the threshold, read whole and under the same conditions again (one may have changed meanwhile), cut to the token budget. */
export async function present(tx: Sql, tenantId: number, ranked: Candidate[], input: RecallInput, view: (p: Params) => View, about: About): Promise<RecallResult[]> {
  const threshold = input.threshold ?? 0
  const chosen = ranked.filter((one) => one.score >= threshold).slice(0, input.top_k)
  if (!chosen.length) return []
  const byKey = await readWhole(tx, tenantId, chosen, view)
  const results: RecallResult[] = []
  let left = input.max_tokens ?? Number.POSITIVE_INFINITY
  for (const one of chosen) {
    const row = byKey.get(one.key)
    if (!row) continue
    left -= Math.ceil(row.text.length / charactersPerToken)
    if (left < 0) break
    const explained = input.explain ? { explain: explain(one, about) } : {}
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

const told: Record<keyof Parts, string> = {
  words: 'its own words',
  neighbours: 'the words next to it',
  session: 'its session',
  speaker: 'who said it',
  date: 'when it was',
  when: 'it tells of a time',
}
const none: Parts = { words: 0, neighbours: 0, session: 0, speaker: 0, date: 0, when: 0 }

function explain({ words, cosine }: Candidate, { most, semanticWeight }: About): Explanation {
  const parts = words?.parts ?? none
  const matched = words?.matched ?? []
  const shares = (Object.keys(told) as (keyof Parts)[]).filter((name) => parts[name] > 0).map((name) => `${told[name]} ${parts[name].toFixed(2)}`)
  const text = [
    matched.length ? `matched ${matched.join(', ')}` : 'matched no word',
    ...(words ? [`${shares.join(' + ')} of ${most.toFixed(2)}`] : []),
    cosine === null ? 'no vector yet' : `cosine ${cosine.toFixed(3)}`,
  ]
  return { parts, most, matched_terms: matched, cosine, semantic_weight: semanticWeight, text: text.join('; ') }
}
