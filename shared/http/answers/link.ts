import * as z from 'zod'
import type { Linked, LinkOut, Neighbors, PathOut } from '../../link/index.ts'
import { namedAnswer, Time } from './components.ts'
import { Memory } from './memory.ts'

const uuid = z.uuid()
export const Link = namedAnswer(
  'Link',
  z.strictObject({ id: uuid, from: uuid, to: uuid, type: z.string(), weight: z.number().positive(), metadata: z.record(z.string(), z.unknown()), created_at: Time }),
) satisfies z.ZodType<LinkOut>

/** A repeated call whose link is gone by now answers its id alone. */
export const CreatedLink = namedAnswer('CreatedLink', z.union([Link, z.strictObject({ id: uuid })])) satisfies z.ZodType<Linked['link']>

export const NeighborsFound = namedAnswer(
  'Neighbors',
  z.strictObject({ items: z.array(z.strictObject({ link: Link, memory: Memory, hops: z.int().min(1) })).meta({ description: 'a nearer hop first' }) }),
) satisfies z.ZodType<Neighbors>

export const PathFound = namedAnswer(
  'Path',
  z.union([
    z.strictObject({ path: z.array(Memory), links: z.array(Link).meta({ description: 'links[i] leads from path[i] to path[i + 1]' }), cost: z.number().min(0) }),
    z.strictObject({ path: z.tuple([]) }).meta({ description: 'there is none' }),
  ]),
) satisfies z.ZodType<PathOut>
