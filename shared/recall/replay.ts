import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { canonicalJson } from '../json/index.ts'
import { type MemoryRow, memoryColumns, memoryOf, uuidText } from '../memory/index.ts'
import { AppError, invalidField } from '../problem/index.ts'
import { assertWithin, type Ctx, requireScope } from '../tenant/index.ts'
import type { RecallInput, RecallOut, RecallResult, ScoreBreakdown } from './schema.ts'

/** An answer as its token holds it. Scores have nine decimals, so each is a whole number of billionths. */
export type Answer = { generation: number; total: number; results: { id: string; version: number; score: number; breakdown: ScoreBreakdown }[] }

const format = 1
const headBytes = 27
const entryBytes = 44
const queryBytes = 16
const parts = ['lexical', 'semantic', 'context', 'recency', 'importance'] as const
const billion = 1_000_000_000

/**
 * Signs which versions an answer held, in their order and with their scores, for this tenant and this query. No text is in it.
 * Layout: format u8, generation u32, total u32, count u16, hash of the query (16 bytes), then for each result id (16 bytes), version u32, score u32 and
 * the five parts of the score u32; big-endian, base64url, a dot, and 22 characters of an HMAC-SHA-256.
 */
export function signReplay(ctx: Ctx, input: RecallInput, answer: Answer): string {
  const bytes = Buffer.alloc(headBytes + answer.results.length * entryBytes)
  bytes.writeUInt8(format, 0)
  bytes.writeUInt32BE(answer.generation, 1)
  bytes.writeUInt32BE(answer.total, 5)
  bytes.writeUInt16BE(answer.results.length, 9)
  hashOf(input).copy(bytes, 11)
  for (const [i, { id, version, score, breakdown }] of answer.results.entries()) {
    let at = headBytes + i * entryBytes
    at += Buffer.from(id.replaceAll('-', ''), 'hex').copy(bytes, at)
    for (const number of [version, score * billion, ...parts.map((name) => breakdown[name] * billion)]) at = bytes.writeUInt32BE(Math.round(number), at)
  }
  const body = bytes.toString('base64url')
  return `${body}.${mac(ctx, body)}`
}

/** @throws AppError invalid when the token is not one of this tenant's, or belongs to another query; gone when it is of another generation */
export function readReplay(ctx: Ctx, input: RecallInput, token: string, generation: number): Answer {
  const [body = '', signature = '', rest] = token.split('.')
  const expected = Buffer.from(mac(ctx, body))
  const given = Buffer.from(signature)
  const bytes = Buffer.from(body, 'base64url')
  if (rest !== undefined || given.length !== expected.length || !timingSafeEqual(given, expected) || bytes[0] !== format) {
    throw invalidField('/replay', 'is not the replay token of an answer that this tenant was given')
  }
  if (!bytes.subarray(11, 11 + queryBytes).equals(hashOf(input))) throw invalidField('/replay', 'belongs to another query: send the very fields of the first call with it')
  if (bytes.readUInt32BE(1) !== generation) throw new AppError('gone', 'The answer was given before a restore; it cannot be repeated.')
  const results = Array.from({ length: bytes.readUInt16BE(9) }, (_, i) => {
    const at = headBytes + i * entryBytes
    const part = (n: number) => bytes.readUInt32BE(at + 16 + 4 * n) / billion
    return {
      id: uuidText(bytes.subarray(at, at + 16)),
      version: bytes.readUInt32BE(at + 16),
      score: part(1),
      breakdown: Object.fromEntries(parts.map((name, n) => [name, part(n + 2)])) as ScoreBreakdown,
    }
  })
  return { generation, total: bytes.readUInt32BE(5), results }
}

type Found = MemoryRow & { open: boolean }

/** The very versions of an earlier answer. @throws AppError gone when one is no longer there; forbidden when one is not present any more and memory:history is missing */
export async function replayRecall(ctx: Ctx, answer: Answer): Promise<Pick<RecallOut, 'results' | 'total_candidates'>> {
  const named = answer.results
  const join = `join unnest($2::uuid[], $3::integer[]) w (id, version) on w.id = m.id and w.version = m.version where m.tenant_id = $1::integer and m.id = any ($2::uuid[])`
  const rows = await ctx.app.statement<Found>(
    { role: 'soma_app', tenantId: ctx.tenantId, readOnly: true },
    `select ${memoryColumns}, m.expires_at is null or m.expires_at > now() as open from memories m ${join}
     union all select ${memoryColumns}, false from memory_versions m ${join} and m.state = 'closed'`,
    [ctx.tenantId, named.map((one) => one.id), named.map((one) => one.version)],
  )
  const byVersion = new Map(rows.map((row) => [`${row.id} ${row.version}`, row]))
  if (rows.some((row) => !row.open)) requireScope(ctx, 'memory:history')
  const results = named.map(({ id, version, score, breakdown }): RecallResult => {
    const row = byVersion.get(`${id} ${version}`)
    if (!row) throw new AppError('gone', 'A memory of that answer was erased; it cannot be repeated.')
    assertWithin(ctx, row)
    return { ...memoryOf(row), score, score_breakdown: breakdown }
  })
  return { results, total_candidates: answer.total }
}

/** What was asked, without what does not change the answer. */
function hashOf({ replay: _replay, consistency: _consistency, explain: _explain, ...query }: RecallInput): Buffer {
  return createHash('sha256').update(canonicalJson(query)).digest().subarray(0, queryBytes)
}

function mac(ctx: Ctx, body: string): string {
  return createHmac('sha256', ctx.signingKey)
    .update(JSON.stringify(['replay', ctx.tenantId, body]))
    .digest('base64url')
    .slice(0, 22)
}
