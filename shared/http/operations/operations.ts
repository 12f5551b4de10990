import * as z from 'zod'
import { OperationState } from '../answers/operation.ts'
import type { Operation } from './operation.ts'

/** What goes on after its answer. */
export const operationStates: readonly Operation[] = [
  {
    id: 'getOperation',
    method: 'GET',
    path: '/v1/operations/:id',
    summary: 'How far an operation is, and what came of it',
    scope: 'memory:read',
    params: { id: { description: 'the id of an operation', schema: z.uuid() } },
    success: 200,
    answer: OperationState,
  },
]
