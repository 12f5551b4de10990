import type { LinkLineIn, MemoryLineIn } from '../line.ts'

/** Where the memories go when the source does not say it, and who they belong to. */
export type ConvertOptions = { namespace?: string | undefined; user_id?: string | undefined }
export type ConvertedLine = MemoryLineIn | LinkLineIn

/** Turns one record of another system's file into import lines; it keeps no state, so the same record always gives the same lines. @throws ConvertError */
export type Converter = {
  /** What it takes, for people. */
  takes: string
  /** The lists in which a JSON document holds its records; a bare list, and a record a line, are always taken. */
  lists: readonly string[]
  convert(record: Record<string, unknown>, options: ConvertOptions): ConvertedLine[]
}

/** What is wrong with a record, as half a sentence about it. */
export class ConvertError extends Error {
  override readonly name = 'ConvertError'
}

/** A text field that must be there. @throws ConvertError */
export function text(record: Record<string, unknown>, name: string): string {
  const value = record[name]
  if (typeof value !== 'string' || value === '') throw new ConvertError(`"${name}" must be a text`)
  return value
}

/** A text field that may be absent or null. @throws ConvertError */
export function optionalText(record: Record<string, unknown>, name: string): string | undefined {
  return record[name] === undefined || record[name] === null || record[name] === '' ? undefined : text(record, name)
}

/**
 * A time as others write it, in UTC with milliseconds: RFC 3339 with any number of digits, as Postgres prints it (a blank, `+00`), or epoch seconds.
 * @throws ConvertError
 */
export function time(value: unknown, name: string): string | undefined {
  if (value === undefined || value === null || value === '') return undefined
  // from this on it is milliseconds: as seconds it would be after the year 5000
  const epoch = typeof value === 'number' ? (Math.abs(value) > 1e11 ? value : value * 1000) : undefined
  const written = typeof value === 'string' ? value.replace(/^(\d{4}-\d{2}-\d{2}) /, '$1T').replace(/(T[\d:.]+[+-]\d{2})$/, '$1:00') : undefined
  // without an offset it is UTC, and not the time zone of whoever imports it
  const zoned = written && (/^\d{4}-\d{2}-\d{2}T[\d:.]+$/.test(written) ? `${written}Z` : written)
  const at = new Date(epoch ?? zoned ?? Number.NaN)
  if (Number.isNaN(at.getTime())) throw new ConvertError(`"${name}" must be a time: RFC 3339, or epoch seconds`)
  return at.toISOString()
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The fields that are not undefined. */
export function defined<T extends Record<string, unknown>>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> }
}

/** The string leaves of a value in order, cut at what a text may have. */
export function leavesOf(value: unknown, bytes: number): string {
  const leaves: string[] = []
  const visit = (inner: unknown): void => {
    if (typeof inner === 'string') leaves.push(inner)
    else if (typeof inner === 'object' && inner !== null) Object.values(inner).forEach(visit)
  }
  visit(value)
  return cutTo(leaves.filter((leaf) => leaf.trim() !== '').join('\n'), bytes)
}

export function cutTo(whole: string, bytes: number): string {
  return Buffer.byteLength(whole) <= bytes ? whole : Buffer.from(whole).subarray(0, bytes).toString().replace(/�+$/, '')
}
