import { isUnreachable } from '../../shared/db/index.ts'
import type { HttpHandler } from '../../shared/handler/index.ts'
import { contextOf, createApp, queryOf } from '../../shared/http/index.ts'
import { journalledOperation } from '../../shared/journal/index.ts'
import type { OperationOut } from '../../shared/operation/index.ts'
import { AppError } from '../../shared/problem/index.ts'
import { showOperation } from '../../shared/transfer/index.ts'
import type { OperationsDeps } from './deps.ts'

/** How far something is that goes on after its answer; what is still in the journal of appends too, also while the database is down. */
export function createOperations(deps: OperationsDeps): HttpHandler {
  const app = createApp('operations', deps)

  app.get('/v1/operations/:id', async (c) => {
    queryOf(c, [])
    const id = c.req.param('id')
    try {
      const ctx = await contextOf(c, deps)
      return c.json(await orJournalled(ctx, showOperation(ctx, id, deps.transfers)))
    } catch (error) {
      if (!deps.journal || !isUnreachable(error)) throw error
      const found = await journalledOperation(deps.journal, await deps.authenticate.offline(c.req.raw), id)
      if (!found) throw error
      return c.json(found)
    }

    async function orJournalled(ctx: Parameters<typeof showOperation>[0], asked: Promise<OperationOut>): Promise<OperationOut> {
      return asked.catch(async (error) => {
        const absent = error instanceof AppError && error.code === 'not_found'
        const found = absent && deps.journal ? await journalledOperation(deps.journal, ctx, id) : undefined
        if (found) return found
        throw error
      })
    }
  })

  return app
}
