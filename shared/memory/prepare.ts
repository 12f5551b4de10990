import { createHash, randomBytes } from 'node:crypto'
import { termsOf, tokenizerRevision } from '../text/index.ts'
import { limits, type MemoryInput, type MemoryOut } from './schema.ts'

/** An item as store_memories takes it (the composite type item_in), with the words that go into the postings beside it. */
export type PreparedItem = { row: Record<string, unknown> & { id: string; text: string }; terms: Map<string, number> }

/** UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then random bits. */
export function uuidv7(now = Date.now()): string {
  const bytes = randomBytes(16)
  bytes.writeUIntBE(now, 0, 6)
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x70
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  return uuidText(bytes)
}

/** The text form of 16 bytes. */
export function uuidText(bytes: Buffer): string {
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** The string leaves of a payload in order, cut at a text's limit. */
export function textOfPayload(payload: unknown): string {
  const leaves: string[] = []
  const visit = (value: unknown): void => {
    if (typeof value === 'string') leaves.push(value)
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(visit)
  }
  visit(payload)
  return cut(leaves.filter((leaf) => leaf.trim() !== '').join('\n'))
}

/** At most a text's limit: what is longer stays whole in the messages or the payload. */
function cut(text: string): string {
  if (Buffer.byteLength(text) <= limits.text) return text
  // toString would make half a character at the cut a replacement sign: it is dropped instead
  return Buffer.from(text).subarray(0, limits.text).toString().replace(/�+$/, '')
}

function textOfMessages(messages: NonNullable<MemoryInput['messages']>): string {
  const [only] = messages
  if (messages.length === 1 && only) return cut(only.content)
  return cut(messages.map((message) => `${message.name ?? message.role}: ${message.content}`).join('\n'))
}

/** A validated memory, ready to store. `i` is its place in the call; an id is given where the same request may come again by another way. */
export function prepareNew(input: MemoryInput, i: number, now: Date, id = uuidv7(now.getTime())): PreparedItem {
  const given = input.text ?? input.content ?? input.memory
  const text = given ?? (input.messages ? textOfMessages(input.messages) : textOfPayload(input.payload))
  const speaker = input.speaker ?? (input.messages?.length === 1 ? input.messages[0]?.name : undefined)
  const expires = input.ttl_seconds === undefined ? input.expires_at : new Date(now.getTime() + input.ttl_seconds * 1000).toISOString()
  return prepare({
    i,
    id,
    namespace: input.namespace,
    user_id: input.user_id,
    agent_id: input.agent_id,
    app_id: input.app_id,
    run_id: input.run_id,
    session_id: input.session_id,
    coord: input.coord,
    memory_type: input.memory_type ?? 'episodic',
    language: input.language,
    speaker,
    text,
    payload: input.payload,
    messages: input.messages,
    metadata: input.metadata ?? {},
    tags: input.tags ?? [],
    importance: input.importance ?? 1,
    occurred_at: input.occurred_at ?? input.messages?.at(-1)?.at ?? now.toISOString(),
    valid_from: input.valid_from,
    valid_to: input.valid_to,
    expires_at: expires,
    supersedes: input.supersedes,
    item_key: input.idempotency_key,
  })
}

/** The next version of an existing memory, as a patch made it. */
export function prepareVersion(memory: MemoryOut, targetKey: string): PreparedItem {
  const { version: _version, memory: _alias, created_at: _created, updated_at: _updated, index_state: _state, ...rest } = memory
  return prepare({ i: 0, target_key: targetKey, ...rest })
}

/** A version as it was stored elsewhere, ready to be written as it is; `fields` also names its id, version and times. */
export function prepareStored(fields: Record<string, unknown> & { id: string; text: string }): PreparedItem {
  return prepare(fields)
}

function prepare(fields: Record<string, unknown> & { id: string; text: string }): PreparedItem {
  const { counts, length } = termsOf({ text: fields.text, language: fields.language as string | undefined, tags: fields.tags as string[] })
  // an absent field is left out: a JSON null in a jsonb column would be a value
  const row = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null)) as PreparedItem['row']
  return {
    terms: counts,
    row: {
      ...row,
      event_id: uuidv7(),
      tokenizer: tokenizerRevision,
      term_count: length,
      session_key: sessionKey(fields),
      bytes: Buffer.byteLength(fields.text) + Buffer.byteLength(JSON.stringify([fields.payload ?? null, fields.messages ?? null, fields.metadata])),
    },
  }
}

/** 64 bits of a hash of everything that bounds a session, as a signed integer; null without a session. */
function sessionKey(fields: Record<string, unknown>): string | null {
  if (fields.session_id == null) return null
  const bounds = ['namespace', 'user_id', 'agent_id', 'app_id', 'run_id', 'session_id'].map((name) => fields[name] ?? null)
  return createHash('sha256').update(JSON.stringify(bounds)).digest().readBigInt64BE(0).toString()
}
