import * as z from 'zod'
import { type MemoryOut, Metadata, Uuid } from '../memory/index.ts'

/** A type means itself: it is compared as it is, without wildcards. */
const LinkType = z.string().min(1).max(128)

export const LinkIn = z
  .strictObject({
    from: Uuid,
    to: Uuid,
    type: LinkType.default('related'),
    weight: z.number().gt(0).max(1_000_000).default(1),
    metadata: Metadata.optional(),
  })
  .refine((link) => link.from !== link.to, { path: ['to'], error: 'must be another memory than from' })

export const NeighborsIn = z.strictObject({
  type: LinkType.optional(),
  direction: z.enum(['out', 'in', 'both']).default('out'),
  hops: z.number().int().min(1).max(3).default(1),
  limit: z.number().int().min(1).max(500).default(50),
})

export const PathIn = z.strictObject({ from: Uuid, to: Uuid, type: LinkType.optional(), max_hops: z.number().int().min(1).max(6).default(6) })

/** A link as every endpoint answers it: typed, directed, and the closer the higher its weight. */
export type LinkOut = { id: string; from: string; to: string; type: string; weight: number; metadata: Record<string, unknown>; created_at: string }
/** `link` is the strongest of those by which the memory is reached in so many hops. */
export type Neighbor = { link: LinkOut; memory: MemoryOut; hops: number }
export type Neighbors = { items: Neighbor[] }
/** `links[i]` leads from `path[i]` to `path[i + 1]`. */
export type PathOut = { path: MemoryOut[]; links: LinkOut[]; cost: number } | { path: [] }
