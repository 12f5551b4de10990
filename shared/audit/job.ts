import type { Publisher } from '../bus/index.ts'
import { type Database, singly } from '../db/index.ts'
import type { JobReport } from '../handler/index.ts'
import type { Signer } from '../signature/index.ts'
import { forEachTenant } from '../tenant/index.ts'
import { publishSealed } from './publish.ts'
import { sealTenant } from './seal.ts'

export type SealAuditDeps = {
  worker: Database
  signer: Signer
  /** The broker, or the bus of the process; where there is neither nothing is published, and a broker that comes later is told the chain from its beginning. */
  publisher: Publisher | undefined
  generation: () => Promise<number>
  onFailure: (error: Error) => void
}
const across = { role: 'soma_worker', tenantId: null } as const

/** Seals the audit logs of all tenants and publishes what is sealed. A broker that is away holds up no chain. */
export async function sealAudit(deps: SealAuditDeps, signal: AbortSignal): Promise<JobReport> {
  const { worker, publisher } = deps
  const [start] = await worker.statement<{ at: string }>({ ...across, readOnly: true }, 'select now()::text as at')
  let sealed = 0
  let published = 0
  let finished = true
  let away = publisher === undefined
  const reached = await forEachTenant(worker, signal, async (tenantId) => {
    const done = await sealTenant(deps, tenantId, signal)
    sealed += done.sealed
    finished &&= done.finished
    if (away || !publisher || !done.unpublished) return
    const sent = await publishSealed({ ...deps, publisher }, tenantId, signal)
    published += sent.published
    away = sent.away
  })
  if (reached && finished) await worker.statement(across, 'update audit_sealer set sealed_until = greatest(sealed_until, $1::timestamptz)', [start?.at])
  return { done: sealed, remaining: !(reached && finished), ...(sealed || published ? { detail: { sealed, published } } : {}) }
}

/** For the metrics: the oldest that a committed row without a place in its chain can be, in seconds. */
export async function unsealedAge(worker: Database): Promise<number> {
  const [row] = await singly(worker, { ...across, readOnly: true }).query<{ age: number }>(
    'select greatest(0, extract(epoch from now() - s.sealed_until))::double precision as age from audit_sealer s',
  )
  return row?.age ?? 0
}
