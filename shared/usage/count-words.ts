import type { Database, Sql } from '../db/index.ts'
import type { JobReport } from '../handler/index.ts'
import { forEachTenant, tenantsWithLargeScopes } from '../tenant/index.ts'

/** Words in fewer memories are read whole by a recall, which counts them itself. */
const common = 1_000
/** Counted again when a scope has grown or shrunk by this share. */
const drift = 0.1
/** Reading all words of ten million memories takes about a minute. */
const timeoutMs = 300_000

type Due = { scope_key: number; namespace_key: number; memories: string }

/**
 * Counts the common words of each scope of at least `from` memories, when it has none counted or is another by a tenth since. From the words themselves, so
 * whatever went wrong before is right again. Answers how many scopes were counted.
 */
export async function countWords(worker: Database, from: number, signal: AbortSignal): Promise<JobReport> {
  let done = 0
  const count = async (tenantId: number): Promise<void> => {
    const access = { role: 'soma_worker', tenantId } as const
    const due = await worker.transaction({ ...access, readOnly: true }, (tx) => scopesDue(tx, tenantId, from))
    for (const scope of due) {
      if (signal.aborted) return
      await worker.transaction({ ...access, timeoutMs }, (tx) => countScope(tx, tenantId, scope))
      done++
    }
  }
  const finished = await forEachTenant(worker, signal, count, await tenantsWithLargeScopes(worker, from))
  return { done, remaining: !finished }
}

function scopesDue(tx: Sql, tenantId: number, from: number): Promise<Due[]> {
  return tx.query<Due>(
    `select t.scope_key, n.scope_key as namespace_key, t.memories from scope_stats t
     join scopes s on s.tenant_id = t.tenant_id and s.scope_key = t.scope_key
     join scopes n on n.tenant_id = t.tenant_id and n.namespace = s.namespace and n.user_id is null
     left join word_counts c on c.tenant_id = t.tenant_id and c.scope_key = t.scope_key and c.term = ''
     where t.tenant_id = $1::integer and t.memories >= ${Math.trunc(from)} and (c.memories is null or abs(t.memories - c.memories) > c.memories * ${drift})`,
    [tenantId],
  )
}

async function countScope(tx: Sql, tenantId: number, { scope_key: key, namespace_key: namespaceKey, memories }: Due): Promise<void> {
  await tx.query('delete from word_counts where tenant_id = $1::integer and scope_key = $2::integer', [tenantId, key])
  await tx.query(
    `insert into word_counts (tenant_id, scope_key, term, memories)
     select $1::integer, $2::integer, '', $3::bigint
     union all
     select $1::integer, $2::integer, p.term, count(*) from postings p
     where p.tenant_id = $1::integer and p.namespace_key = $4::integer${key === namespaceKey ? '' : ' and p.user_key = $2::integer'} group by p.term having count(*) >= ${common}`,
    [tenantId, key, memories, namespaceKey],
  )
}
