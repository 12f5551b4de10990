import { InvalidArgumentError } from 'commander'
import { isTime } from '../../shared/filter/index.ts'

const secondsPer: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 }
/** `15m` or a time, as an instant. */
export function instantOf(text: string): string {
  const [, number, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  if (number !== undefined && unit !== undefined) return new Date(Date.now() - Number(number) * (secondsPer[unit] as number) * 1000).toISOString()
  if (!isTime(text)) throw new InvalidArgumentError('It takes an age such as 90s, 15m, 2h or 7d, or a time such as 2026-01-31T12:00:00Z.')
  return text
}

/** Seconds as people say them. */
export function age(seconds: number | null): string {
  if (seconds === null) return '-'
  const [size, unit] = Object.entries({ d: 86_400, h: 3600, m: 60 }).flatMap(([name, size]) => (seconds >= 2 * size ? [[size, name] as const] : []))[0] ?? [1, 's']
  return `${Math.floor(seconds / size)}${unit}`
}
