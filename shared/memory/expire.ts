import type { Database } from '../db/index.ts'
import type { JobReport } from '../handler/index.ts'
import { forEachTenant, soonestOfTenants } from '../tenant/index.ts'

const batch = 500

/** Turns what has expired into history, tenant by tenant and batch by batch. No read waits for it: each looks at the instant itself. */
export async function expireMemories(worker: Database, signal: AbortSignal): Promise<JobReport> {
  const call = JSON.stringify({ actor: 'expire', action: 'memory.expire' })
  let done = 0
  const all = await forEachTenant(worker, signal, async (tenantId) => {
    for (let expired = batch; expired === batch && !signal.aborted; ) {
      const text = 'select expire_memories($1::integer, $2::integer, $3::jsonb) as expired'
      const [row] = await worker.statement<{ expired: number }>({ role: 'soma_worker', tenantId }, text, [tenantId, batch, call])
      expired = row?.expired ?? 0
      done += expired
    }
  })
  return { done, remaining: !all }
}

/** In how many seconds the next memory expires; null where none does. */
export function nextExpiry(worker: Database, signal: AbortSignal): Promise<number | null> {
  const text = `select extract(epoch from min(m.expires_at) - now())::double precision as seconds from memories m where m.tenant_id = $1::integer and m.expires_at is not null`
  return soonestOfTenants(worker, text, signal)
}
