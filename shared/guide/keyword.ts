import type { Sql } from '../db/index.ts'
import { params } from '../filter/index.ts'
import { presentAt } from '../memory/index.ts'
import { assertWithin, type Ctx, requireScope } from '../tenant/index.ts'
import { requiredTerms } from '../text/index.ts'
import { termMatcher } from './matcher.ts'
import { namespaceKeyOf } from './namespace.ts'
import { type Payload, payloadOf } from './recall.ts'
import { GuideKeyword, type GuideKeywordInput } from './schema.ts'

/** Memories that one search looks at, and bytes of their texts; what lies beyond is not searched, and the answer says so. */
export const keywordBounds = { memories: 10_000, bytes: 32 * 1024 * 1024, page: 200 }

type Looked = { key: string; occurrences: number }
type Search = { tx: Sql; tenantId: number; namespaceKey: number; type: GuideKeywordInput['type']; top: number; occurrences: (text: string) => number }

/**
 * Payloads of the memories whose text holds the term: those that hold it most often first, of equals the newest. Candidates come from the postings of
 * the term's rarest word; where a term has no word that the postings know for certain (stop words, punctuation, a part of a word) the newest memories
 * are read. `complete: false`: there were more than are looked at. @throws AppError forbidden, invalid
 */
export async function keywordSearch(ctx: Ctx, body: unknown): Promise<{ results: Payload[]; complete: boolean }> {
  requireScope(ctx, 'memory:read')
  assertWithin(ctx, { namespace: 'default' })
  const { term, exact, case_sensitive: caseSensitive, top_k: top, type } = GuideKeyword.parse(body)
  const groups = requiredTerms(term, exact)
  return ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId, readOnly: true }, async (tx) => {
    const namespaceKey = await namespaceKeyOf(tx, ctx.tenantId)
    if (namespaceKey === undefined) return { results: [], complete: true }
    const search: Search = { tx, tenantId: ctx.tenantId, namespaceKey, type, top, occurrences: termMatcher(term, { exact, caseSensitive }) }
    const rarest = groups.length ? await rarestGroup(search, groups) : undefined
    const { found, complete } = rarest ? await lookThrough(search, await candidatesOf(search, rarest)) : await lookAtNewest(search)
    const keys = found
      .sort((a, b) => b.occurrences - a.occurrences || Number(BigInt(b.key) - BigInt(a.key)))
      .slice(0, top)
      .map((one) => one.key)
    return { results: await payloadsOf(tx, ctx.tenantId, keys), complete }
  })
}

/** The group with the fewest postings; undefined when even that one has more than are looked at. */
async function rarestGroup({ tx, tenantId, namespaceKey }: Search, groups: string[][]): Promise<string[] | undefined> {
  const places = groups.flatMap((group, place) => group.map(() => place))
  const rows = await tx.query<{ place: number; count: string }>(
    `select g.place, sum((select count(*) from (
         select from postings p where p.tenant_id = $1::integer and p.namespace_key = $2::integer and p.term = g.term limit ${keywordBounds.memories + 1}) few)) as count
     from unnest($3::integer[], $4::text[]) g (place, term) group by g.place order by 2, 1 limit 1`,
    [tenantId, namespaceKey, places, groups.flat()],
  )
  const [rarest] = rows
  return rarest && Number(rarest.count) <= keywordBounds.memories ? groups[rarest.place] : undefined
}

type Candidate = { key: string; most: number }
/** By how often the word is there, which is as often as the term can be; of equals the newest. */
async function candidatesOf({ tx, tenantId, namespaceKey }: Search, group: string[]): Promise<Candidate[]> {
  const rows = await tx.query<{ memory_key: string; most: string }>(
    `select p.memory_key, sum(p.tf) as most from postings p where p.tenant_id = $1::integer and p.namespace_key = $2::integer and p.term = any ($3::text[])
     group by p.memory_key order by 2 desc, 1 desc`,
    [tenantId, namespaceKey, group],
  )
  return rows.map((row) => ({ key: row.memory_key, most: Number(row.most) }))
}

async function lookThrough(search: Search, candidates: Candidate[]): Promise<{ found: Looked[]; complete: boolean }> {
  const found: Looked[] = []
  let bytes = 0
  for (let from = 0; from < candidates.length; from += keywordBounds.page) {
    const next = candidates[from] as Candidate
    // none of those that follow can come before these
    const settled = found.filter((one) => one.occurrences > next.most || (one.occurrences === next.most && BigInt(one.key) > BigInt(next.key)))
    if (settled.length >= search.top) break
    if (bytes > keywordBounds.bytes) return { found, complete: false }
    const keys = candidates.slice(from, from + keywordBounds.page).map((one) => one.key)
    bytes += await look(search, keys, found)
  }
  return { found, complete: true }
}

/** The newest memories of the namespace, by the index of their times. */
async function lookAtNewest(search: Search): Promise<{ found: Looked[]; complete: boolean }> {
  const found: Looked[] = []
  let bytes = 0
  let before: [string, string] | undefined
  for (let looked = 0; looked < keywordBounds.memories && bytes <= keywordBounds.bytes; looked += keywordBounds.page) {
    const p = params([search.tenantId, search.namespaceKey])
    const beyond = before ? ` and (m.created_at, m.memory_key) < (${p.add(before[0], 'timestamptz')}, ${p.add(before[1], 'bigint')})` : ''
    const page = await search.tx.query<{ memory_key: string; at: string }>(
      `select m.memory_key, m.created_at::text as at from memories m where m.tenant_id = $1::integer and m.namespace_key = $2::integer${beyond}
       order by m.created_at desc, m.memory_key desc limit ${keywordBounds.page}`,
      p.values,
    )
    const last = page.at(-1)
    if (!last) return { found, complete: true }
    const keys = page.map((row) => row.memory_key)
    bytes += await look(search, keys, found)
    if (page.length < keywordBounds.page) return { found, complete: true }
    before = [last.at, last.memory_key]
  }
  return { found, complete: false }
}

/** Adds those of the memories that hold the term; gives back how many bytes were read. */
async function look({ tx, tenantId, type, occurrences }: Search, keys: string[], found: Looked[]): Promise<number> {
  const rows = await tx.query<{ memory_key: string; text: string }>(
    `select m.memory_key, m.text from memories m where m.tenant_id = $1::integer and m.memory_key = any ($2::bigint[]) and ${presentAt('now()')} and ($3::text is null or m.memory_type = $3::text)`,
    [tenantId, keys, type ?? null],
  )
  for (const { memory_key: key, text } of rows) {
    const count = occurrences(text)
    if (count > 0) found.push({ key, occurrences: count })
  }
  return rows.reduce((sum, row) => sum + row.text.length, 0)
}

async function payloadsOf(tx: Sql, tenantId: number, keys: string[]): Promise<Payload[]> {
  const rows = await tx.query<{ payload: unknown; text: string }>(
    `select m.payload, m.text from unnest($2::bigint[]) with ordinality k (memory_key, place) join memories m on m.tenant_id = $1::integer and m.memory_key = k.memory_key order by k.place`,
    [tenantId, keys],
  )
  return rows.map(payloadOf)
}
