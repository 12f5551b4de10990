import { ConvertError, type ConvertedLine, type Converter, type ConvertOptions, isObject } from './converter.ts'
import { guide } from './guide.ts'
import { langgraph } from './langgraph.ts'
import { mcp } from './mcp.ts'
import { mem0 } from './mem0.ts'

/** What people come from, by the name that `soma import --from` takes. */
export const converters = { mem0, langgraph, guide, mcp } as const
export type Source = keyof typeof converters

/** A record's lines, or what is wrong with it; `record` counts from 1: the line of a file, or the place in a list. */
export type ConvertedRecord = { record: number; lines: ConvertedLine[] } | { record: number; problem: string }

/** Converts a file's records: one a line, or those of a JSON document, which is read whole. Links come last, whatever their place: their ends must be there. */
export async function* convertFile(source: Source, lines: AsyncIterable<{ line: number; text: string } | { line: number; problem: string }>, options: ConvertOptions) {
  const converter: Converter = converters[source]
  const links: { record: number; lines: ConvertedLine[] }[] = []
  for await (const { record, value, problem } of recordsOf(lines, converter.lists)) {
    const converted = problem === undefined ? convert(converter, record, value, options) : { record, problem }
    if ('lines' in converted && converted.lines.every((line) => 'kind' in line)) links.push(converted)
    else yield converted
  }
  yield* links
}

function convert(converter: Converter, record: number, value: unknown, options: ConvertOptions): ConvertedRecord {
  try {
    if (!isObject(value)) throw new ConvertError('is not a JSON object')
    return { record, lines: converter.convert(value, options) }
  } catch (error) {
    if (error instanceof ConvertError) return { record, problem: error.message }
    throw error
  }
}

type Found = { record: number; value?: unknown; problem?: string }
async function* recordsOf(lines: AsyncIterable<{ line: number; text: string } | { line: number; problem: string }>, lists: readonly string[]): AsyncGenerator<Found> {
  let document: string[] | undefined
  let first = true
  for await (const one of lines) {
    if (document) {
      document.push('text' in one ? one.text : '')
      continue
    }
    if (!('text' in one)) {
      yield { record: one.line, problem: one.problem === 'encoding' ? 'is not UTF-8' : 'is too long' }
      continue
    }
    const value = parse(one.text)
    // a document begins with a bracket, and is no record by itself
    if (first && (listOf(value, lists) || (value === undefined && /^\s*[[{]/.test(one.text)))) document = [one.text]
    else if (value === undefined) yield { record: one.line, problem: 'is not JSON' }
    else yield { record: one.line, value }
    first = false
  }
  if (!document) return
  const list = listOf(parse(document.join('\n')), lists)
  if (!list) yield { record: 1, problem: `is neither one record a line nor a JSON document with a list${lists.length ? ` (${lists.join(', ')})` : ''}` }
  for (const [index, value] of (list ?? []).entries()) yield { record: index + 1, value }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function listOf(value: unknown, names: readonly string[]): unknown[] | undefined {
  if (Array.isArray(value)) return value
  if (!isObject(value)) return undefined
  return names.map((name) => value[name]).find((inner) => Array.isArray(inner)) as unknown[] | undefined
}

export type { ConvertedLine, Converter, ConvertOptions } from './converter.ts'
