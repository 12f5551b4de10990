import type { Sql } from '../db/index.ts'
import { largeScope } from '../recall/index.ts'
import { askQuestion } from './ask.ts'
import type { Probe } from './probe.ts'

/** Questions a tenant, and in how many tenants: half of them those with most memories, the others by chance. */
const sample = { questions: 10, tenants: 20 } as const
/** A question is some consecutive words of a memory; of a text without spaces, some characters. */
const length = { words: 6, characters: 24, most: 200 } as const

/** The tenants that are asked, of all there are. As soma_worker, whose policy shows it the counts of all. */
export async function probedTenants(tx: Sql): Promise<number[]> {
  const rows = await tx.query<{ tenant_id: number }>(
    `with sized as (select s.tenant_id, sum(s.memories) as memories from scope_stats s join scopes c using (tenant_id, scope_key) where c.user_id is null group by s.tenant_id),
       large as (select tenant_id from sized order by memories desc, tenant_id limit ${sample.tenants / 2})
     select tenant_id from large union (select tenant_id from tenants where tenant_id not in (select tenant_id from large) order by random() limit ${sample.tenants / 2}) order by 1`,
  )
  return rows.map((row) => row.tenant_id)
}

type Row = { namespace: string; user_id: string | null; text: string; model: string | null; dimension: number | null; vector: string | null }

/**
 * Questions to a tenant, made of its own memories by chance, and what this transaction answers to them, whose tenant it is. None to a scope whose answers may change without anything being wrong: one with
 * memories that expire before the archive is likely to, and a large one, which is searched by graphs that are built anew and by counts of common words that a job refreshes.
 */
export async function takeProbes(tx: Sql, tenantId: number, at: string): Promise<Probe[]> {
  // each place is drawn once, before the index is asked for the first memory from there on
  const rows = await tx.query<Row>(
    `select m.namespace, m.user_id, left(m.text, 4000) as text, v.name as model, v.dimension, v.embedding::text as vector
     from (select distinct f.memory_key from
         (select b.least + floor(random() * (b.most - b.least + 1))::bigint + 0 * g.n as place
          from (select min(memory_key) as least, max(memory_key) as most from memories where tenant_id = $1::integer) b cross join generate_series(1, ${sample.questions}) g (n) offset 0) r
         cross join lateral (select memory_key from memories where tenant_id = $1::integer and memory_key >= r.place order by memory_key limit 1) f) k
     join memories m on m.tenant_id = $1::integer and m.memory_key = k.memory_key
     left join scope_stats s on s.tenant_id = $1::integer and s.scope_key = coalesce(m.user_key, m.namespace_key)
     left join lateral (select e.name, e.dimension, v.embedding from vectors v join embedding_models e using (model_key)
       where v.tenant_id = $1::integer and v.memory_key = m.memory_key order by v.model_key = (select searched from embedding_roles) desc nulls last, v.model_key desc limit 1) v on true
     where coalesce(s.memories, 0) < ${largeScope} and (m.valid_from is null or m.valid_from <= $2::timestamptz) and (m.valid_to is null or m.valid_to > $2::timestamptz)
       and not exists (select from memories e where e.tenant_id = $1::integer and e.expires_at < now() + interval '400 days' and e.namespace_key = m.namespace_key and (m.user_key is null or e.user_key = m.user_key))`,
    [tenantId, at],
  )
  const probes: Probe[] = []
  for (const { namespace, user_id, text, model, dimension, vector } of rows) {
    const query = questionOf(text)
    if (query === undefined) continue
    const question = { namespace, user_id, query, valid_at: at, model: model && dimension && vector ? { name: model, dimension, vector: JSON.parse(vector) as number[] } : null }
    probes.push({ ...question, answers: await askQuestion(tx, tenantId, question) })
  }
  return probes
}

function questionOf(text: string): string | undefined {
  const words = text.split(/\s+/u).filter((word) => word !== '')
  const start = (total: number, wanted: number) => Math.floor(Math.random() * Math.max(1, total - wanted + 1))
  const first = start(words.length, length.words)
  const characters = [...words.slice(first, first + length.words).join(' ')]
  const spaced = words.length > 2
  const from = spaced ? 0 : start(characters.length, length.characters)
  const query = characters
    .slice(from, from + (spaced ? length.most : length.characters))
    .join('')
    .trim()
  return query === '' ? undefined : query
}
