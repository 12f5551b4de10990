import * as z from 'zod'
import { isTime, timePattern } from '../filter/index.ts'

/** Limits of one memory, in bytes of UTF-8. All of it stays below a broker's 1 MiB with room for the event around it. */
export const limits = { text: 64 * 1024, payload: 256 * 1024, metadata: 16 * 1024, memory: 700 * 1024, metadataDepth: 6, messages: 200, tags: 64, bulk: 500 } as const

const bytesOf = (value: unknown) => Buffer.byteLength(typeof value === 'string' ? value : JSON.stringify(value))
const atMost = (limit: number) => (value: unknown) => bytesOf(value) <= limit
// without spreading into Math.max: a list of half a million would be as many arguments
const depthOf = (value: unknown): number =>
  typeof value === 'object' && value !== null ? 1 + Object.values(value).reduce((most: number, inner) => Math.max(most, depthOf(inner)), 0) : 0

const Text = z
  .string()
  .refine((text) => text.trim() !== '', 'must not be empty')
  .refine(atMost(limits.text), `takes at most ${limits.text} bytes`)
  .meta({ minLength: 1, maxLength: limits.text, description: `at most ${limits.text} bytes of UTF-8` })
/** No id has a wildcard or a prefix meaning: it is compared as it is. */
const Id = z.string().min(1).max(256)
export const Namespace = z.string().min(1).max(256)
const Time = z
  .string()
  .refine(isTime, 'takes a time such as 2026-01-31T12:00:00Z')
  .meta({ pattern: timePattern, description: 'RFC 3339 with an offset, or a date alone (midnight UTC)' })
  .transform((text) => new Date(text).toISOString())
const JsonObject = z.custom<Record<string, unknown>>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), 'takes an object').meta({ type: 'object' })
const Payload = JsonObject.refine(atMost(limits.payload), `takes at most ${limits.payload} bytes`).meta({ description: `at most ${limits.payload} bytes as JSON` })
export const Metadata = JsonObject.refine(atMost(limits.metadata), `takes at most ${limits.metadata} bytes`)
  .refine((value) => depthOf(value) <= limits.metadataDepth, `nests at most ${limits.metadataDepth} levels`)
  .meta({ description: `at most ${limits.metadata} bytes as JSON, ${limits.metadataDepth} levels deep` })
const Message = z.strictObject({ role: z.string().min(1).max(64), content: z.string().min(1), name: z.string().min(1).max(256).optional(), at: Time.optional() })
export const MemoryType = z.enum(['episodic', 'semantic', 'procedural'])
export const Uuid = z.uuid().transform((id) => id.toLowerCase())
/** The parts of a memory, for whoever reads one in another form. */
export const parts = { Id, Time, Payload, Message } as const

export const scopeIds = { user_id: Id.optional(), agent_id: Id.optional(), app_id: Id.optional(), run_id: Id.optional(), session_id: Id.optional() }
export const scopeNames = ['user_id', 'agent_id', 'app_id', 'run_id', 'session_id'] as const

/** `1, 2.0,3e0` → `1,2,3`: one spelling a number, at most 64 finite numbers and 512 characters; undefined when it is no coord. */
export function canonicalCoord(text: string): string | undefined {
  if (text.length > 4096) return undefined
  const parts = text.split(',').map((part) => part.trim())
  if (parts.length > 64 || parts.some((part) => !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(part))) return undefined
  const numbers = parts.map(Number)
  const canonical = numbers.map((number) => String(number === 0 ? 0 : number)).join(',')
  return numbers.every(Number.isFinite) && canonical.length <= 512 ? canonical : undefined
}
export const Coord = z
  .string()
  .meta({ minLength: 1, maxLength: 4096, description: '1 to 64 finite numbers split by commas, such as 1,2,3; at most 512 characters in its canonical form' })
  .transform((text, context) => {
    const canonical = canonicalCoord(text)
    if (canonical !== undefined) return canonical
    context.addIssue({ code: 'custom', message: 'takes 1 to 64 finite numbers split by commas, such as 1,2,3' })
    return z.NEVER
  })

export const LanguageTag = z.string().min(2).max(35).meta({ description: 'a language as BCP 47 tags it: de, pt-BR; when absent, it is the one the text looks like' })

const changeable = {
  memory_type: MemoryType.optional(),
  speaker: z.string().min(1).max(256).optional(),
  language: LanguageTag.optional(),
  metadata: Metadata.optional(),
  tags: z.array(z.string().min(1).max(256)).max(limits.tags).optional(),
  importance: z.number().min(0).max(10).optional(),
  occurred_at: Time.optional(),
  valid_from: Time.optional(),
  valid_to: Time.optional(),
  expires_at: Time.optional(),
}

export const MemoryIn = z
  .strictObject({
    text: Text.optional(),
    content: Text.optional(),
    memory: Text.optional(),
    messages: z.array(Message).min(1).max(limits.messages).optional(),
    payload: Payload.optional(),
    namespace: Namespace.default('default'),
    coord: Coord.optional(),
    ...scopeIds,
    ...changeable,
    ttl_seconds: z.number().int().min(1).max(3_153_600_000).optional(),
    supersedes: Uuid.optional(),
    idempotency_key: z.string().min(1).max(255).optional(),
  })
  .refine((memory) => [memory.text, memory.content, memory.memory].filter((text) => text !== undefined).length <= 1, {
    path: ['text'],
    error: 'text, content and memory are one field: give it once',
  })
  .refine((memory) => (memory.text ?? memory.content ?? memory.memory ?? memory.messages ?? memory.payload) !== undefined, {
    path: ['text'],
    error: 'give at least one of text, messages, payload',
  })
  .refine((memory) => memory.expires_at === undefined || memory.ttl_seconds === undefined, { path: ['ttl_seconds'], error: 'give expires_at or ttl_seconds, not both' })
  .refine((memory) => !memory.valid_from || !memory.valid_to || memory.valid_from < memory.valid_to, { path: ['valid_to'], error: 'must be later than valid_from' })
  .refine(atMost(limits.memory), `one memory takes at most ${limits.memory} bytes in all`)
export type MemoryInput = z.output<typeof MemoryIn>

/** A merge patch (RFC 7396): a null removes the field. */
export const MemoryPatch = z
  .strictObject({
    text: Text,
    payload: Payload.nullable(),
    messages: z.null(),
    ...Object.fromEntries(Object.entries(changeable).map(([name, schema]) => [name, schema.nullable()])),
  })
  .partial()
  .refine((patch) => Object.keys(patch).length > 0, 'changes at least one field')
export type MemoryPatchInput = z.output<typeof MemoryPatch> & Partial<Omit<MemoryInput, 'payload' | 'messages'>>

export const BulkIn = z.strictObject({ items: z.array(z.unknown()).min(1, 'takes 1 to 500 items').max(limits.bulk, 'takes 1 to 500 items'), atomic: z.boolean().default(true) })

/** A memory as every endpoint answers it; times are RFC 3339 UTC with milliseconds. */
export type MemoryOut = {
  id: string
  version: number
  namespace: string
  coord: string | null
  memory_type: z.output<typeof MemoryType>
  text: string
  memory: string
  payload: unknown
  messages: unknown
  user_id: string | null
  agent_id: string | null
  app_id: string | null
  run_id: string | null
  session_id: string | null
  speaker: string | null
  language: string | null
  metadata: Record<string, unknown>
  tags: string[]
  importance: number
  occurred_at: string | null
  valid_from: string | null
  valid_to: string | null
  expires_at: string | null
  supersedes: string | null
  superseded_by: string | null
  created_at: string
  updated_at: string
  index_state: 'pending' | 'indexed'
}
