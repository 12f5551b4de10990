import * as z from 'zod'
import { ExportStartIn, ImportStartIn } from '../../transfer/index.ts'
import { OperationState } from '../answers/operation.ts'
import { Imported } from '../answers/transfer.ts'
import type { Operation } from './operation.ts'

const ndjson = 'application/x-ndjson'
const line = '{"id":"01890000-0000-7000-8000-000000000001","text":"Ada prefers tea in the morning","user_id":"ada"}\n'
const part = { id: { description: 'the id of the operation', schema: z.uuid() }, part: { description: 'its number, from 1', schema: z.number().int().min(1), example: 1 } }
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
    example: line,
  },
  {
    id: 'startExport',
    method: 'POST',
    path: '/v1/exports',
    summary: 'Begin an export that goes on after this answer, as an operation',
    description:
      'The same lines as of GET /v1/export, in parts of at most 64 MiB. GET /v1/operations/{id} tells how far it is, lists the parts that are there, with their SHA-256, and says where to fetch them; seven days after the last one they are removed.',
    scope: 'memory:read',
    body: ExportStartIn,
    idempotent: true,
    success: 202,
    answer: OperationState,
    problems: ['conflict'],
    example: { all_namespaces: true, links: true },
  },
  {
    id: 'getExportPart',
    method: 'GET',
    path: '/v1/exports/:id/parts/:part',
    summary: 'Fetch a part of an export through this API',
    description: 'Where the parts are in a bucket, the URLs of the operation are the shorter way. Needs memory:history as well when the export has versions.',
    scope: 'memory:read',
    params: part,
    success: 200,
    answerType: ndjson,
    problems: ['gone'],
  },
  {
    id: 'announceImport',
    method: 'POST',
    path: '/v1/imports',
    summary: 'Announce an import that goes on after its answers, as an operation',
    description:
      'Say how large each part will be, at most 64 MiB; each holds whole lines. The answer says where to send them (again, with new URLs: GET /v1/operations/{id}); then start it.',
    scope: 'memory:write',
    body: ImportStartIn,
    idempotent: true,
    success: 202,
    answer: OperationState,
    problems: ['conflict'],
    example: { parts: [{ bytes: Buffer.byteLength(line) }] },
  },
  {
    id: 'putImportPart',
    method: 'PUT',
    path: '/v1/imports/:id/parts/:part',
    summary: 'Send a part of an import through this API',
    description: 'All of it is kept or nothing; sent again, it is replaced.',
    scope: 'memory:write',
    params: part,
    body: z.string(),
    bodyType: ndjson,
    success: 204,
    problems: ['conflict', 'gone'],
    example: line,
  },
  {
    id: 'startImport',
    method: 'POST',
    path: '/v1/imports/:id/start',
    summary: 'Start an import when all of its parts are there',
    description: 'Its lines are stored as by POST /v1/import, each exactly once; its result counts them. Started again, it goes on.',
    scope: 'memory:write',
    params: { id: part.id },
    success: 202,
    answer: OperationState,
    problems: ['conflict'],
  },
]
