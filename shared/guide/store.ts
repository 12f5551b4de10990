import type * as z from 'zod'
import { storeMemories, storeMemory } from '../memory/index.ts'
import { type Ctx, requireScope } from '../tenant/index.ts'
import { GuideBulk, type GuideMemory, GuideStore } from './schema.ts'

export type GuideStored = { ok: true; id: string; version: number }

/** Stores a payload at a coord, as the next version when something is there. @throws AppError forbidden, invalid, idempotency_* */
export async function guideStore(ctx: Ctx, body: unknown, idempotencyKey?: string): Promise<{ replayed: boolean; body: GuideStored }> {
  requireScope(ctx, 'memory:write')
  const { coord, payload, type } = GuideStore.parse(body)
  return storeAt(ctx, { coord, payload, memory_type: type }, idempotencyKey)
}

export async function storeAt(ctx: Ctx, memory: z.output<typeof GuideMemory>, idempotencyKey?: string): Promise<{ replayed: boolean; body: GuideStored }> {
  const stored = await storeMemory(ctx, memory, idempotencyKey)
  return { replayed: stored.replayed, body: { ok: true, id: stored.memory.id, version: stored.memory.version } }
}

/**
 * Stores 1 to 500 items in one transaction, all or none. The same coord several times makes several versions, in order, and as many events; `ids`
 * then names the one memory as often. @throws AppError forbidden, invalid, idempotency_*
 */
export async function guideStoreBulk(ctx: Ctx, body: unknown, idempotencyKey?: string): Promise<{ replayed: boolean; body: { stored: number; ids: string[] } }> {
  requireScope(ctx, 'memory:write')
  const { items } = GuideBulk.parse(body)
  const memories = { items: items.map(({ coord, payload, type }) => ({ coord, payload, memory_type: type })) }
  const { replayed, body: stored } = await storeMemories(ctx, memories, idempotencyKey, 'guide')
  return { replayed, body: { stored: stored.created + stored.updated, ids: stored.results.flatMap(({ id }) => (id === undefined ? [] : [id])) } }
}
