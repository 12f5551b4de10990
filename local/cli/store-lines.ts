import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Client, Memory } from '../../shared/client/index.ts'
import { CommandError } from './failure.ts'

/** What one call takes: 500 items, and a body of 5 MiB with room for the rest of it. */
const batchItems = 500
const batchBytes = 4 * 1024 * 1024
/** More are counted, not listed. */
const listedFailures = 100

type Numbered = { line: number; item: unknown }
export type LinesReport = { created: number; updated: number; duplicate: number; failed: number; failures: { line: number; code: string; detail: string }[] }

/** Stores NDJSON, line by line for itself and in order. A call that fails ends it with an error that names the first line that was not stored. */
export async function storeLines(client: Client, path: string, defaults: Partial<Memory>): Promise<LinesReport> {
  const report: LinesReport = { created: 0, updated: 0, duplicate: 0, failed: 0, failures: [] }
  const fail = (line: number, code: string, detail: string) => {
    report.failed += 1
    if (report.failures.length < listedFailures) report.failures.push({ line, code, detail })
  }

  async function flush(batch: Numbered[]): Promise<void> {
    const first = batch[0]
    if (!first) return
    const body = await client
      .storeMany(
        batch.map(({ item }) => item),
        { atomic: false },
      )
      .catch((error: Error & { code?: string }) => {
        const done = report.created + report.updated + report.duplicate
        throw new CommandError(error.code ?? 'failed', `${error.message} ${done} memories of the lines before line ${first.line} are stored, none from there on.`, error)
      })
    report.created += body.created
    report.updated += body.updated
    report.duplicate += body.duplicate
    for (const { index, problem } of body.results) {
      if (!problem) continue
      const fields = (problem.errors ?? []).map((one) => `${one.pointer || '/'} ${one.detail}`).join('; ')
      fail(batch[index]?.line ?? 0, problem.code, fields || problem.detail)
    }
  }

  let batch: Numbered[] = []
  let bytes = 0
  for await (const one of linesOf(path)) {
    if (one.text.trim() === '') continue
    const item = parseLine(one.text)
    if (item === undefined) {
      fail(one.line, 'malformed', 'is not a JSON object')
      continue
    }
    const filled = { ...defaults, ...item }
    const size = Buffer.byteLength(JSON.stringify(filled))
    if (batch.length === batchItems || (batch.length > 0 && bytes + size > batchBytes)) {
      await flush(batch)
      batch = []
      bytes = 0
    }
    batch.push({ line: one.line, item: filled })
    bytes += size
  }
  await flush(batch)
  return { ...report, failures: report.failures.toSorted((a, b) => a.line - b.line) }
}

async function* linesOf(path: string): AsyncGenerator<{ line: number; text: string }> {
  const input = path === '-' ? process.stdin : createReadStream(path)
  let line = 0
  try {
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      line += 1
      yield { line, text }
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw code === 'ENOENT' ? new CommandError('not_found', `There is no file ${path}.`, error) : new CommandError('failed', `${path} cannot be read: ${message}.`, error)
  }
}

function parseLine(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
