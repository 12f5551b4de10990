import type { Database } from '../db/index.ts'
import type { Ctx } from '../tenant/index.ts'
import type { LineProblem } from './parse-line.ts'
import type { LineContext, PreparedLine } from './prepare-line.ts'

/** Who stores, and through what each statement goes. */
export type Writer = Pick<Ctx, 'tenantId' | 'actor' | 'requestId' | 'traceparent' | 'scopes'> & { app: Pick<Database, 'statement'> }

/** A memory or a version, prepared: its row as import_line takes it, its words, and where it stands in the file. */
export type Entry = { line: number; kind: 'memory' | 'version'; item: PreparedLine }
/** The versions of one memory in order, and the memory itself where it is in this call. */
export type Group = { id: string; entries: Entry[]; coord: string | undefined; bytes: number; words: number }
export type LinkEntry = { line: number; row: Record<string, unknown> & { id: string } }
/** What became of a line: '' when it was written. */
export type Status = '' | 'duplicate' | keyof typeof problems

export const problems = {
  conflict: { code: 'conflict', detail: 'Something else is here under this id: another version, or other content.' },
  forgotten: { code: 'conflict', detail: 'This memory was forgotten here, and an import does not bring it back.' },
  coord: { code: 'conflict', detail: '/coord is taken by another memory of the namespace.', pointer: '/coord' },
  gone: { code: 'gone', detail: 'This memory was erased here for good.' },
  orphan: { code: 'invalid', detail: 'The memory of this version does not follow.' },
  newer: { code: 'invalid', detail: '/version must be lower than that of its memory.', pointer: '/version' },
  from: { code: 'invalid', detail: '/from names no memory that is here.', pointer: '/from' },
  to: { code: 'invalid', detail: '/to names no memory that is here.', pointer: '/to' },
} as const satisfies Record<string, LineProblem>

const callOf = (ctx: Writer, more: Record<string, unknown> = {}) => JSON.stringify({ actor: ctx.actor, request_id: ctx.requestId, traceparent: ctx.traceparent, ...more })

/** One transaction; answers what became of each entry, in order. With `partial`, the last group's memory comes with a later call. @throws AppError */
export async function writeGroups(ctx: Writer, groups: readonly Group[], partial?: string): Promise<Status[]> {
  const rows: Record<string, unknown>[] = []
  const places: number[] = []
  const terms: string[] = []
  const frequencies: number[] = []
  const contexts: (LineContext & { i: number })[] = []
  for (const [index, { entries }] of groups.filter((group) => group.entries.length).entries()) {
    for (const { item } of entries) {
      const i = rows.push({ ...item.row, i: rows.length + 1, g: index + 1 })
      if (item.context) contexts.push({ ...item.context, i })
      for (const [term, tf] of item.terms) {
        places.push(i)
        terms.push(term)
        frequencies.push(tf)
      }
    }
  }
  if (!rows.length) return []
  const written = 'select import_memories($1::integer, $2::jsonb, $3::jsonb, $4::integer[], $5::text[], $6::smallint[]) as statuses'
  const values = [ctx.tenantId, JSON.stringify(rows), callOf(ctx, partial === undefined ? {} : { partial }), places, terms, frequencies]
  if (!contexts.length) return statuses(ctx, written, values)
  const text = `with written as materialized (${written}) select w.statuses, take_contexts($1::integer, w.statuses, $7::jsonb)::text as taken from written w`
  return statuses(ctx, text, [...values, JSON.stringify(contexts)])
}

/** One transaction, as above. @throws AppError */
export function writeLinks(ctx: Writer, links: readonly LinkEntry[]): Promise<Status[]> {
  const rows = JSON.stringify(links.map(({ row }, index) => ({ ...row, i: index + 1 })))
  return statuses(ctx, 'select import_links($1::integer, $2::jsonb, $3::jsonb) as statuses', [ctx.tenantId, rows, callOf(ctx)])
}

/** Takes back the versions of a memory that never came; answers how many there were. */
export async function dropVersions(ctx: Writer, id: string): Promise<number> {
  const [row] = await ctx.app.statement<{ dropped: number }>({ role: 'soma_app', tenantId: ctx.tenantId }, 'select drop_import($1::integer, $2::uuid) as dropped', [
    ctx.tenantId,
    id,
  ])
  return row?.dropped ?? 0
}

/** A batch of 4 MiB is many statements' work: it has a deadline of its own. */
const timeoutMs = 60_000
async function statuses(ctx: Writer, text: string, values: unknown[]): Promise<Status[]> {
  const [row] = await ctx.app.statement<{ statuses: Status[] }>({ role: 'soma_app', tenantId: ctx.tenantId, timeoutMs }, text, values)
  return row?.statuses ?? []
}
