import * as z from 'zod'
import { OperationKind, type OperationOut, type OperationPart, OperationState as State } from '../../operation/index.ts'
import { namedAnswer, Time } from './components.ts'

const Part = namedAnswer(
  'OperationPart',
  z
    .strictObject({
      part: z.number().int().min(1),
      bytes: z.number().int().min(1),
      lines: z.number().int().min(1).optional(),
      sha256: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .optional()
        .meta({ description: 'of its bytes' }),
      method: z.enum(['GET', 'PUT']),
      url: z.string().nullable().meta({
        description: 'where its bytes are fetched from or sent to: signed, and then no credential is sent with it, or a path of this API; null when there is no such way now',
      }),
      url_expires_at: Time.nullable().meta({ description: 'ask for the operation again for a new one' }),
    })
    .meta({ description: 'An object of an export or import; all of them in order are the whole' }),
) satisfies z.ZodType<OperationPart>

export const OperationState = namedAnswer(
  'OperationState',
  z.strictObject({
    id: z.uuid(),
    kind: OperationKind,
    state: State.meta({ description: 'waiting: for its parts, and to be started' }),
    progress: z.number().min(0).max(1),
    result: z
      .record(z.string(), z.unknown())
      .nullable()
      .meta({ description: 'what came of it so far: of an export lines, bytes, parts and the hash of the content, of an import what POST /v1/import answers' }),
    problem: z.strictObject({ code: z.string(), detail: z.string() }).nullable(),
    created_at: Time,
    updated_at: Time,
    parts: z.array(Part).optional(),
    parts_until: Time.nullable().optional().meta({ description: 'when the parts are removed; null when they are gone' }),
  }),
) satisfies z.ZodType<OperationOut>
