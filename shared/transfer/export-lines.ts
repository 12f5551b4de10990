import { invalidField } from '../problem/index.ts'
import { type Ctx, requireScope } from '../tenant/index.ts'
import { linksPage, type MemoriesPage, type Model, memoriesPage, placeOf, versionsPage } from './export-pages.ts'
import { ExportIn, type ExportQuery } from './export-query.ts'
import { memoryLine } from './line-out.ts'

const beforeAll = '0'
const noLink = '00000000-0000-0000-0000-000000000000'
const anyKey = '9223372036854775807'

/**
 * The open memories of a scope that have not expired, as NDJSON in the order of their storing; then, when asked for, the links between them. Each page is a
 * short transaction: the database holds no old snapshot, however slow the reader, and what is forgotten meanwhile is in no page that follows.
 * @throws AppError forbidden; invalid, also for a cursor that names nothing: all before the first line
 */
export async function exportLines(ctx: Ctx, query: Record<string, string | undefined>, model: Model): Promise<AsyncGenerator<string, void>> {
  requireScope(ctx, 'memory:read')
  const wanted = ExportIn.parse(query)
  if (wanted.versions) requireScope(ctx, 'memory:history')
  const from = wanted.cursor === undefined ? { memoryKey: beforeAll } : await ctx.app.transaction(access(ctx), (tx) => placeOf(tx, ctx.tenantId, wanted.cursor as string))
  if (!from) throw invalidField('/cursor', 'names no memory or link that was ever here; begin again without it')
  return linesFrom(ctx, wanted, from, model)
}

const access = ({ tenantId }: Ctx) => ({ role: 'soma_app', tenantId, readOnly: true }) as const

async function* linesFrom(ctx: Ctx, query: ExportQuery, from: { memoryKey: string } | { linkId: string }, model: Model): AsyncGenerator<string, void> {
  let last = anyKey
  if ('memoryKey' in from) {
    last = from.memoryKey
    for (let found = await nextMemories(); found; found = await nextMemories()) {
      last = found.lastKey
      yield* linesOf(ctx, query, found, model)
    }
  }
  if (!query.links) return
  let link = 'linkId' in from ? from.linkId : noLink
  for (;;) {
    const page = await ctx.app.transaction(access(ctx), (tx) => linksPage(tx, ctx.tenantId, query, link, last))
    if (!page) return
    link = page.last
    if (page.lines.length) yield page.lines.join('')
  }

  function nextMemories(): Promise<MemoriesPage | undefined> {
    return ctx.app.transaction(access(ctx), (tx) => memoriesPage(tx, ctx.tenantId, query, last, model))
  }
}

/** The lines of a page: each memory after its versions. Versions that are more than a page are read on, and given away as they come. */
async function* linesOf(ctx: Ctx, query: ExportQuery, page: MemoriesPage, model: Model): AsyncGenerator<string, void> {
  let text: string[] = []
  for (const row of page.memories) {
    for (;;) {
      text.push(...(page.lines.get(row.memory_key) ?? []))
      page.lines.delete(row.memory_key)
      const { more } = page
      // the versions read so far end in this memory, or before it
      if (!more || BigInt(more.key) > BigInt(row.memory_key)) break
      if (text.length) yield text.join('')
      text = []
      page.more = await ctx.app.transaction(access(ctx), (tx) => versionsPage(tx, ctx.tenantId, query, page, more, model))
    }
    text.push(memoryLine(row))
  }
  if (text.length) yield text.join('')
}
