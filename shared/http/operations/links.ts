import * as z from 'zod'
import { LinkIn, NeighborsIn, PathIn } from '../../link/index.ts'
import { namedBody } from '../answers/components.ts'
import { CreatedLink, NeighborsFound, PathFound } from '../answers/link.ts'
import type { Operation } from './operation.ts'
import { memoryId } from './parameters.ts'

const ends = ['01a1fd1a-e8f9-7fc3-9230-3a81be3932f4', '01a1fd1a-efd2-7ea9-a014-02dd7108a94d'] as const

/** Links between memories, and walks along them. */
export const links: readonly Operation[] = [
  {
    id: 'createLink',
    method: 'POST',
    path: '/v1/links',
    summary: 'Link two memories: typed, directed, and the closer the higher the weight',
    scope: 'memory:write',
    body: namedBody('LinkIn', LinkIn),
    success: 201,
    answer: CreatedLink,
    also: { 200: 'This from, to and type were linked, and the weight is replaced' },
    idempotent: true,
    example: { from: ends[0], to: ends[1], type: 'explains', weight: 2 },
  },
  {
    id: 'deleteLink',
    method: 'DELETE',
    path: '/v1/links/:id',
    summary: 'Remove a link; the memories stay',
    scope: 'memory:write',
    params: { id: { description: 'the id of a link', schema: z.uuid() } },
    success: 204,
    idempotent: true,
  },
  {
    id: 'neighbors',
    method: 'GET',
    path: '/v1/memories/:id/neighbors',
    summary: 'The memories around one: each once, a nearer hop first, in a hop those of the strongest links',
    scope: 'memory:read',
    params: memoryId,
    query: {
      type: { description: 'links of this type only', schema: NeighborsIn.shape.type },
      direction: { description: 'along the links, against them, or both', schema: NeighborsIn.shape.direction },
      hops: { description: 'how far', schema: NeighborsIn.shape.hops },
      limit: { description: 'how many at most', schema: NeighborsIn.shape.limit },
    },
    success: 200,
    answer: NeighborsFound,
  },
  {
    id: 'path',
    method: 'GET',
    path: '/v1/paths',
    summary: 'The cheapest path along the links: a link costs 1 / weight, a path the sum of its links; {"path":[]} when there is none',
    scope: 'memory:read',
    query: {
      from: { description: 'the memory to begin at', schema: PathIn.shape.from, required: true, example: ends[0] },
      to: { description: 'the memory to reach', schema: PathIn.shape.to, required: true, example: ends[1] },
      type: { description: 'links of this type only', schema: PathIn.shape.type },
      max_hops: { description: 'how many links at most', schema: PathIn.shape.max_hops },
    },
    success: 200,
    answer: PathFound,
    problems: ['not_found'],
  },
]
