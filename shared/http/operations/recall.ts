import { RecallIn } from '../../recall/index.ts'
import { namedBody } from '../answers/components.ts'
import { Recalled } from '../answers/recall.ts'
import type { Operation } from './operation.ts'

/** Finding memories. */
export const recall: readonly Operation[] = [
  {
    id: 'recall',
    method: 'POST',
    path: '/v1/recall',
    summary: 'Find the memories that answer a query best',
    description: 'By words and by meaning, within the scope and the filter. Reads nothing but what is true now, and writes nothing.',
    scope: 'memory:read',
    body: namedBody('RecallIn', RecallIn),
    success: 200,
    answer: Recalled,
    problems: ['gone', 'scope_conflict'],
    example: { query: 'what does Ada prefer?', user_id: 'ada', top_k: 3 },
  },
]
