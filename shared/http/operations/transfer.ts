import * as z from 'zod'
import { Imported } from '../answers/transfer.ts'
import type { Operation } from './operation.ts'

const ndjson = 'application/x-ndjson'
const flag = (description: string) => ({ description, schema: z.enum(['true', 'false']).default('false') })

/** Everything of a scope out as NDJSON, and back. */
export const transfer: readonly Operation[] = [
  {
    id: 'exportMemories',
    method: 'GET',
    path: '/v1/export',
    summary: 'Stream memories as NDJSON, with versions, links and vectors on request',
    description: 'One memory a line, in the order of their storing. What is forgotten while it runs is in no line that follows.',
    scope: 'memory:read',
    query: {
      namespace: 'the collection, "default" when absent',
      all_namespaces: flag('true for all of them; then no namespace is given'),
      user_id: 'only the memories of this user',
      versions: flag('true for the closed versions too, each before its memory (needs memory:history)'),
      links: flag('true for the links between what is exported, at the end'),
      vectors: flag('true for the vectors too'),
      cursor: { description: 'the id of the last memory or link line that arrived whole: goes on after it', schema: z.uuid() },
    },
    success: 200,
    answerType: ndjson,
  },
  {
    id: 'importMemories',
    method: 'POST',
    path: '/v1/import',
    summary: 'Store the lines of an export (NDJSON of any length), each for itself',
    description: 'Ids, versions and times are kept; the same lines again store nothing new. Versions need memory:history as well.',
    scope: 'memory:write',
    body: z.string(),
    bodyType: ndjson,
    success: 200,
    answer: Imported,
    problems: ['budget_exhausted'],
    example: '{"id":"01890000-0000-7000-8000-000000000001","text":"Ada prefers tea in the morning","user_id":"ada"}\n',
  },
]
