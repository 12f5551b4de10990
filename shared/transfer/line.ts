import * as z from 'zod'
import { Coord, limits, MemoryType, Metadata, Namespace, parts, Uuid } from '../memory/index.ts'

const { Id, Time, Payload, Message } = parts
const kibibyte = 1024
/** One line of a file, in bytes; what is longer is skipped and reported. */
export const longestLine = 2 * kibibyte * kibibyte
/** A text that was taken from messages or a payload stands beside them, so a line may be longer than what was stored; ids and times come on top. */
const largestMemory = limits.memory + limits.text + 32 * kibibyte
/** halfvec's largest number. */
const largestComponent = 65_504

/** Below half of what an integer holds: a memory that comes with it can still be changed and forgotten. */
const Version = z.number().int().min(1).max(1_000_000_000)
/** Clocks differ a little. */
const isPast = (at: string) => Date.parse(at) <= Date.now() + 60_000

const bytesOf = (value: unknown) => Buffer.byteLength(typeof value === 'string' ? value : JSON.stringify(value))
/** Written as null by an export, and as good when it is absent. */
const optional = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? null)

const stored = {
  id: Uuid,
  version: Version.default(1),
  namespace: Namespace.default('default'),
  coord: optional(Coord),
  memory_type: MemoryType.default('episodic'),
  text: z.string().refine((text) => bytesOf(text) <= limits.text, `takes at most ${limits.text} bytes`),
  payload: optional(Payload),
  messages: optional(z.array(Message).min(1).max(limits.messages)),
  user_id: optional(Id),
  agent_id: optional(Id),
  app_id: optional(Id),
  run_id: optional(Id),
  session_id: optional(Id),
  speaker: optional(z.string().min(1).max(256)),
  language: optional(z.string().min(2).max(35)),
  metadata: Metadata.default({}),
  tags: z.array(z.string().min(1).max(256)).max(limits.tags).default([]),
  importance: z.number().min(0).max(10).default(1),
  occurred_at: optional(Time),
  valid_from: optional(Time),
  valid_to: optional(Time),
  expires_at: optional(Time),
  supersedes: optional(Uuid),
  superseded_by: optional(Uuid),
  created_at: Time.optional(),
  updated_at: Time.optional(),
  embedding: z.array(z.number().min(-largestComponent).max(largestComponent)).min(1).max(4000).optional(),
  embedding_model: z.string().min(1).max(256).optional(),
  embedding_dim: z.number().int().min(1).max(4000).optional(),
  /** The turn that was embedded before it. */
  embedding_context: z.strictObject({ id: Uuid, version: Version }).optional(),
}

type Stored = z.output<z.ZodObject<typeof stored>>
type Check = readonly [(line: Stored) => boolean, string, string]
const checks: readonly Check[] = [
  [(line) => line.text.trim() !== '' || line.payload !== null || line.messages !== null, 'text', 'must not be empty where there is neither payload nor messages'],
  // a superseded memory may have been closed before it was valid
  [(line) => !line.valid_from || !line.valid_to || line.superseded_by !== null || line.valid_from < line.valid_to, 'valid_to', 'must be later than valid_from'],
  [(line) => !line.created_at || !line.updated_at || line.created_at <= line.updated_at, 'updated_at', 'must not be earlier than created_at'],
  [(line) => [line.created_at, line.updated_at].every((at) => !at || isPast(at)), 'updated_at', 'lies in the future'],
  [
    (line) =>
      line.embedding === undefined
        ? line.embedding_model === undefined && line.embedding_dim === undefined && line.embedding_context === undefined
        : line.embedding_model !== undefined && line.embedding_dim === line.embedding.length,
    'embedding',
    'needs embedding_model, and embedding_dim as its length',
  ],
  [({ embedding: _embedding, ...line }) => bytesOf(line) <= largestMemory, '', `one memory takes at most ${largestMemory} bytes in all`],
]
const checked = <T extends z.ZodType<Stored>>(schema: T) =>
  schema.superRefine((line, context) => {
    for (const [fits, field, message] of checks) if (!fits(line)) context.addIssue({ code: 'custom', path: field ? [field] : [], message })
  })

/** A memory as an export writes it: the form of an answer without its alias and index_state; the vector only when asked for. */
export const MemoryLine = checked(z.strictObject(stored))
/** A closed version; it stands before its memory's own line. */
export const VersionLine = checked(z.strictObject({ kind: z.literal('version'), ...stored, version: Version, state: z.literal('closed'), closed_at: Time }))
  .refine((line) => !line.updated_at || line.updated_at <= line.closed_at, { path: ['closed_at'], error: 'must not be earlier than updated_at' })
  .refine((line) => isPast(line.closed_at), { path: ['closed_at'], error: 'lies in the future' })
/** A link; both ends stand before it, in the file or in the store. */
export const LinkLine = z
  .strictObject({
    kind: z.literal('link'),
    id: Uuid,
    from: Uuid,
    to: Uuid,
    type: z.string().min(1).max(128).default('related'),
    weight: z.number().positive().max(1_000_000).default(1),
    metadata: Metadata.default({}),
    created_at: Time.optional(),
  })
  .refine((link) => link.from !== link.to, { path: ['to'], error: 'must be another memory than from' })

export type MemoryLine = z.output<typeof MemoryLine>
export type VersionLine = z.output<typeof VersionLine>
export type LinkLine = z.output<typeof LinkLine>
export type TransferLine = MemoryLine | VersionLine | LinkLine
/** What a converter writes; an import fills in what is absent. */
export type MemoryLineIn = z.input<typeof MemoryLine>
export type LinkLineIn = z.input<typeof LinkLine>
