import * as z from 'zod'
import { AppError } from '../problem/index.ts'
import { appendAudit } from './audit.ts'
import { type Ctx, requireScope } from './context.ts'
import { assertMayGive, insertKey, type KeyOut, type KeyRow, keyColumns, notInThePast } from './keys.ts'

/** Seconds; thirty days are as long as anybody should take to bring a new key to where the old one is. */
export const longestOverlap = 30 * 86_400
export const KeyRotation = z.strictObject({
  overlap_seconds: z.number().int().min(0).max(longestOverlap).default(86_400).meta({ description: 'how long the old key goes on; 0 ends it at once' }),
  expires_at: z.iso.datetime({ offset: true }).optional().meta({ description: 'when the new key ends; absent: when the old one would have' }),
})

/**
 * A new key with the scopes and the reach of another, whose own end comes after the overlap, or before it where it was to end earlier anyway. Its text is in this answer only.
 * @throws AppError forbidden, also for a key that may do what its rotator may not; not_found when it is revoked or has ended
 */
export async function rotateKey(ctx: Ctx, stage: string, keyId: string, body: unknown): Promise<KeyOut> {
  requireScope(ctx, 'admin')
  const { overlap_seconds, expires_at } = KeyRotation.parse(body)
  notInThePast(expires_at)
  return ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId }, async (tx) => {
    const [old] = await tx.query<KeyRow>(
      `select ${keyColumns} from api_keys where tenant_id = $1::integer and key_id = $2::text and revoked_at is null and (expires_at is null or expires_at > now()) for update`,
      [ctx.tenantId, keyId],
    )
    if (!old) throw new AppError('not_found', 'This tenant has no such key that is still valid.')
    assertMayGive(ctx, old.scopes)
    const ends = expires_at ?? old.expires_at?.toISOString()
    const key = await insertKey(tx, ctx.tenantId, stage, {
      name: old.name,
      scopes: old.scopes,
      ...(ends === undefined ? {} : { expires_at: ends }),
      ...(old.reach ? { reach: old.reach } : {}),
      rotated_from: keyId,
    })
    await tx.query(`update api_keys set expires_at = least(expires_at, now() + make_interval(secs => $3::double precision)) where tenant_id = $1::integer and key_id = $2::text`, [
      ctx.tenantId,
      keyId,
      overlap_seconds,
    ])
    await appendAudit(tx, ctx, 'key.rotate', keyId, { to: key.id, overlap_seconds })
    return key
  })
}
