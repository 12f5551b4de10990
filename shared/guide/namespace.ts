import type { Sql } from '../db/index.ts'

/** The guides' coords are those of the namespace `default`: its key, undefined before anything was stored there. */
export async function namespaceKeyOf(tx: Sql, tenantId: number): Promise<number | undefined> {
  const [row] = await tx.query<{ key: number }>(`select s.scope_key as key from scopes s where s.tenant_id = $1::integer and s.namespace = 'default' and s.user_id is null`, [
    tenantId,
  ])
  return row?.key
}
