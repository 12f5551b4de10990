import * as z from 'zod'
import { type BulkStored, type Forgotten as ForgottenOut, type MemoryOut, MemoryType, type Stored, type Version } from '../../memory/index.ts'
import { namedAnswer, pageOf, Time } from './components.ts'
import { Code, Field } from './problem.ts'

const Text = z.string().nullable()
const AnyObject = z.record(z.string(), z.unknown())
const version = z.int().min(1)

export const memoryFields = {
  id: z.uuid(),
  version,
  namespace: z.string(),
  coord: Text.meta({ description: 'its canonical form: one spelling a number' }),
  memory_type: MemoryType,
  text: z.string(),
  memory: z.string().meta({ description: 'the same as text' }),
  payload: AnyObject.nullable(),
  messages: z.array(z.strictObject({ role: z.string(), content: z.string(), name: z.string().optional(), at: Time.optional() })).nullable(),
  user_id: Text,
  agent_id: Text,
  app_id: Text,
  run_id: Text,
  session_id: Text,
  speaker: Text,
  language: Text,
  metadata: AnyObject,
  tags: z.array(z.string()),
  importance: z.number().min(0).max(10),
  occurred_at: Time.nullable(),
  valid_from: Time.nullable(),
  valid_to: Time.nullable(),
  expires_at: Time.nullable(),
  supersedes: z.uuid().nullable(),
  superseded_by: z.uuid().nullable(),
  created_at: Time,
  updated_at: Time,
  index_state: z.enum(['pending', 'indexed']),
}

export const Memory = namedAnswer('Memory', z.strictObject(memoryFields)) satisfies z.ZodType<MemoryOut>

/** What is left to say of a memory whose version was removed since it was stored: a repeated store answers only this. */
const StoredIds = namedAnswer('StoredIds', z.strictObject({ id: z.uuid(), version }))
const Journalled = namedAnswer('Journalled', z.strictObject({ operation: z.uuid().meta({ description: 'the id for GET /v1/operations/{id}' }) }))
export const StoredMemory = namedAnswer('StoredMemory', z.union([Memory, StoredIds, Journalled])) satisfies z.ZodType<Stored['memory'] | { operation: string }>

export const MemoryVersion = namedAnswer(
  'MemoryVersion',
  z.strictObject({ ...memoryFields, state: z.enum(['open', 'closed', 'deleted']), closed_at: Time.nullable() }),
) satisfies z.ZodType<Version>

export const MemoryPage = namedAnswer('MemoryPage', pageOf(Memory))
export const HistoryPage = namedAnswer('HistoryPage', pageOf(MemoryVersion))

const count = z.int().min(0)
const status = z.enum(['created', 'updated', 'duplicate', 'failed'])
export const BulkResults = namedAnswer(
  'BulkResults',
  z.strictObject({
    results: z.array(
      z.strictObject({
        index: count,
        id: z.uuid().optional(),
        version: version.optional(),
        status,
        problem: z.strictObject({ code: Code, status: z.int(), title: z.string(), detail: z.string(), errors: z.array(Field).optional() }).optional(),
      }),
    ),
    created: count,
    updated: count,
    duplicate: count,
    failed: count,
  }),
) satisfies z.ZodType<BulkStored['body']>

export const Forgotten = namedAnswer(
  'Forgotten',
  z.union([
    z.strictObject({ matched: count, confirm: z.string() }).meta({ description: 'a dry run' }),
    z.strictObject({ deleted: count }),
    z.strictObject({ operation: z.uuid() }).meta({ description: 'the id for GET /v1/operations/{id}' }),
  ]),
) satisfies z.ZodType<ForgottenOut>
