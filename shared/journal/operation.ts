import type { OperationOut } from '../operation/index.ts'
import { assertUnlimited, type Caller, requireScope } from '../tenant/index.ts'
import type { JournalReader } from './reader.ts'

/** An operation of the caller's tenant as the journal knows it: pending, or ended while the database cannot be asked; undefined when it is not there. @throws AppError forbidden */
export async function journalledOperation(reader: JournalReader, caller: Caller, id: string): Promise<OperationOut | undefined> {
  requireScope(caller, 'memory:read')
  const found = (await reader.entries()).find(({ operation, tenant_id }) => operation === id.toLowerCase() && tenant_id === caller.tenantId)
  if (!found) return undefined
  if (found.actor !== caller.actor) assertUnlimited(caller)
  const { mark, at } = found
  return {
    id: found.operation,
    kind: 'store',
    state: mark?.state ?? 'pending',
    progress: mark?.state === 'succeeded' ? 1 : 0,
    result: mark?.result ?? null,
    problem: mark?.problem ?? null,
    created_at: at,
    updated_at: mark?.at ?? at,
  }
}
