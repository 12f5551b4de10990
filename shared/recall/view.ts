import type { Params } from '../filter/index.ts'
import { conditionsOf, presentAt, type Selection, sourcesAt } from '../memory/index.ts'
import type { RecallInput } from './schema.ts'

/** Which rows a recall may see: the conditions on them as m, but for when they were known; and the placeholder of its instant, undefined for now. */
export type View = { conditions: string; known: string | undefined }

/** The view of a query, with its values added to `p`. Without `valid_at` what was true at `as_of` counts: the answer that was given then. */
export function viewOf(input: RecallInput, selection: Selection, p: Params): View {
  const known = input.as_of === undefined ? undefined : p.add(input.as_of, 'timestamptz')
  const valid = input.valid_at === undefined ? (known ?? 'now()') : p.add(input.valid_at, 'timestamptz')
  const types = input.memory_types ? [`m.memory_type = any (${p.add(input.memory_types, 'text[]')})`] : []
  const conditions = [presentAt(valid, known), ...types, ...conditionsOf(selection, p, known !== undefined)].join(' and ')
  return { conditions, known }
}

/** What was found of a memory in the words or vectors: in the open ones, in those of a version that was closed since, or in both together, with `closed`. */
export type Found = 'open' | 'closed' | 'both'

/** What ranking reads of a memory beside what was found: `closed` when its version of the instant is not the present one. */
export type HitRow = { memory_key: string; importance: number; occurred_at: Date; closed: boolean }
export type Hit = { key: string; importance: number; occurredAt: Date; closed: boolean }

export const hitColumns = 'm.importance, m.occurred_at, m.closed'
export const hitOf = (row: HitRow): Hit => ({ key: row.memory_key, importance: row.importance, occurredAt: row.occurred_at, closed: row.closed })

/**
 * Joins each row of `hit` with its memory as m (importance, occurred_at, closed), when the view shows it. As of an instant a hit names the version that was
 * closed since (`closed`, null for an open one), so that each is looked up in one table only: looking into both took three times as long.
 */
export function memoryOfHit({ conditions, known }: View, hit: string, found: Found, more = '', features = ''): string {
  const tables = sourcesAt(known).filter(({ table }) => found === 'both' || (table === 'memories') === (found === 'open'))
  const parts = tables.map(({ table, condition }) => {
    const version = known === undefined || found === 'open' ? '' : table === 'memories' ? ` and ${hit}.closed is null` : ` and m.version = ${hit}.closed`
    return `select m.importance, coalesce(m.occurred_at, m.created_at) as occurred_at, ${table === 'memory_versions'} as closed${features && `, ${features}`} from ${table} m
      where m.tenant_id = $1::integer and m.memory_key = ${hit}.memory_key${version}${more} and ${condition} and ${conditions}`
  })
  return `cross join lateral (${parts.join(' union all ')} limit 1) m`
}
