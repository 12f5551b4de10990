import * as z from 'zod'
import { OperationKind, type OperationOut } from '../../operation/index.ts'
import { namedAnswer, Time } from './components.ts'

export const OperationState = namedAnswer(
  'OperationState',
  z.strictObject({
    id: z.uuid(),
    kind: OperationKind,
    state: z.enum(['pending', 'running', 'succeeded', 'failed']),
    progress: z.number().min(0).max(1),
    result: z.record(z.string(), z.unknown()).nullable().meta({ description: 'null until it has ended' }),
    problem: z.strictObject({ code: z.string(), detail: z.string() }).nullable(),
    created_at: Time,
    updated_at: Time,
  }),
) satisfies z.ZodType<OperationOut>
