import type { HttpHandler } from '../../shared/handler/index.ts'
import { contextOf, createApp, queryOf } from '../../shared/http/index.ts'
import { exportLines, partOf } from '../../shared/transfer/index.ts'
import type { ExportDeps } from './deps.ts'

/** Streams memories, their versions and links as NDJSON, or a part of an export that was written before; ends when the client goes away. */
export function createExport(deps: ExportDeps): HttpHandler {
  const app = createApp('export', deps)

  app.get('/v1/export', async (c) => {
    const ctx = await contextOf(c, deps, { streams: true })
    const query = queryOf(c, ['namespace', 'all_namespaces', 'user_id', 'versions', 'links', 'vectors', 'cursor'])
    const lines = await exportLines(ctx, query, await deps.model())
    const bytes = async function* () {
      let sent = 0
      let outcome = 'ended early'
      try {
        for await (const text of lines) {
          const chunk = Buffer.from(text)
          sent += chunk.byteLength
          yield chunk
        }
        outcome = 'complete'
      } catch (error) {
        // the status has been sent: a broken connection is all that is left to say it with
        outcome = 'failed'
        deps.log.error({ request_id: ctx.requestId, tenant: ctx.tenant, err: error }, 'an export broke off')
        throw error
      } finally {
        deps.log.info({ handler: 'export', tenant: ctx.tenant, request_id: ctx.requestId, bytes: sent, outcome }, 'export')
      }
    }
    return c.body(ReadableStream.from(bytes()), 200, { 'content-type': 'application/x-ndjson' })
  })

  app.get('/v1/exports/:id/parts/:part', async (c) => {
    const ctx = await contextOf(c, deps, { streams: true })
    queryOf(c, [])
    const { bytes, content } = await partOf(ctx, c.req.param('id'), c.req.param('part'), deps.transfers)
    return c.body(ReadableStream.from(content), 200, { 'content-type': 'application/x-ndjson', 'content-length': String(bytes) })
  })

  return app
}
