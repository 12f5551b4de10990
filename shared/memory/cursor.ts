import { createHmac, timingSafeEqual } from 'node:crypto'
import { invalidField } from '../problem/index.ts'
import type { Ctx } from '../tenant/index.ts'

/** A page's end, signed for this tenant and this query: a cursor edited by hand, or taken elsewhere, is refused. */
export function signCursor(ctx: Ctx, query: unknown, position: unknown[]): string {
  const body = Buffer.from(JSON.stringify(position)).toString('base64url')
  return `${body}.${mac(ctx, query, body)}`
}

/** @throws AppError invalid */
export function readCursor(ctx: Ctx, query: unknown, cursor: string): unknown[] {
  const [body = '', signature = '', rest] = cursor.split('.')
  const expected = Buffer.from(mac(ctx, query, body))
  const given = Buffer.from(signature)
  if (rest !== undefined || given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw invalidField('/cursor', 'is not the next_cursor of the same query; begin again without it')
  }
  return JSON.parse(Buffer.from(body, 'base64url').toString())
}

function mac(ctx: Ctx, query: unknown, body: string): string {
  return createHmac('sha256', ctx.signingKey)
    .update(JSON.stringify(['cursor', ctx.tenantId, query, body]))
    .digest('base64url')
    .slice(0, 22)
}
