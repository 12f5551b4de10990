import { createHmac, timingSafeEqual } from 'node:crypto'
import * as z from 'zod'
import { type AppError, invalidField } from '../problem/index.ts'
import type { Ctx } from '../tenant/index.ts'

/** What a list takes in its query string, where every value is a text: how many a page, and the end of the page before. */
export const pageQuery = {
  limit: z
    .string()
    .regex(/^\d{1,9}$/, 'takes a whole number from 1 to 500')
    .transform(Number)
    .pipe(z.number().min(1).max(500))
    .default(50),
  cursor: z.string().min(1).max(4000).optional(),
}

/** A page's end, signed for this tenant and this query: a cursor edited by hand, or taken elsewhere, is refused. */
export function signCursor(ctx: Ctx, query: unknown, position: unknown[]): string {
  const body = Buffer.from(JSON.stringify(position)).toString('base64url')
  return `${body}.${mac(ctx, query, body)}`
}

const notACursor = () => invalidField('/cursor', 'is not the next_cursor of the same query; begin again without it')

/** @throws AppError invalid, or what `refuse` makes where the signed thing has another name */
export function readCursor(ctx: Ctx, query: unknown, cursor: string, refuse: () => AppError = notACursor): unknown[] {
  const [body = '', signature = '', rest] = cursor.split('.')
  const expected = Buffer.from(mac(ctx, query, body))
  const given = Buffer.from(signature)
  if (rest !== undefined || given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw refuse()
  }
  return JSON.parse(Buffer.from(body, 'base64url').toString())
}

function mac(ctx: Ctx, query: unknown, body: string): string {
  return createHmac('sha256', ctx.signingKey)
    .update(JSON.stringify(['cursor', ctx.tenantId, query, body]))
    .digest('base64url')
    .slice(0, 22)
}
