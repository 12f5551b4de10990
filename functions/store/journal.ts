import type { Context } from 'hono'
import { isUnreachable } from '../../shared/db/index.ts'
import { contextOf, type Env } from '../../shared/http/index.ts'
import { isPlainAppend, parseNew, requestHash } from '../../shared/memory/index.ts'
import { assertWithin, type Ctx, requireScope } from '../../shared/tenant/index.ts'
import type { StoreDeps } from './deps.ts'

/** What a store does when the database cannot be reached: with a journal a plain append is kept there, everything else is refused with the error there was. */
export function journalOf(c: Context<Env>, deps: StoreDeps) {
  return {
    /** The caller; when the database cannot be asked, one whose credential can be checked without it. @throws AppError as contextOf */
    async caller(): Promise<{ ctx: Ctx; unreachable?: unknown }> {
      try {
        return { ctx: await contextOf(c, deps) }
      } catch (error) {
        if (!deps.journal || !isUnreachable(error)) throw error
        return { ctx: await contextOf(c, { ...deps, authenticate: deps.authenticate.offline }), unreachable: error }
      }
    },
    /** 202 with the operation, once the request is on the disk. @throws `error` where it is no case for the journal; AppError unavailable beyond its bounds */
    async accept(ctx: Ctx, body: unknown, key: string | undefined, { id, at }: { id: string; at: Date }, error: unknown): Promise<Response> {
      if (!deps.journal || !isUnreachable(error)) throw error
      requireScope(ctx, 'memory:write')
      if (c.req.header('if-match') !== undefined || !isPlainAppend(body)) throw error
      assertWithin(ctx, parseNew(body))
      const { operation, replayed } = await deps.journal.accept(ctx, { body, key, hash: requestHash('store', body), memory: id, at })
      if (replayed) c.header('idempotent-replayed', 'true')
      c.get('outcome').journalled = true
      return c.json({ operation }, 202)
    },
  }
}
