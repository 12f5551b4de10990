import * as z from 'zod'
import { type Config, parseRate, type Rate, rateForm, rateTakes } from '../config/index.ts'

/** What a tenant is held to; absent is no limit. `batch_size` is at most the contract's 500. */
export type Limits = {
  request_rate?: Rate
  key_request_rate?: Rate
  batch_rate?: Rate
  batch_size?: number
  daily_writes?: number
  memories?: number
  bytes?: number
}

const unlimited = z.literal('unlimited')
const rate = z.union([
  unlimited,
  z
    .string()
    .refine((text) => parseRate(text) !== undefined, rateTakes)
    .meta({ pattern: rateForm.source }),
])
const amount = (low: number, high: number) => z.union([unlimited, z.number().int().min(low).max(high)])

/** A tenant's own limits, as they are kept: `unlimited`, or the limit; what is absent goes by the configuration's defaults. */
const shape = {
  request_rate: rate,
  key_request_rate: rate,
  batch_rate: rate,
  batch_size: amount(1, 500),
  daily_writes: amount(0, Number.MAX_SAFE_INTEGER),
  memories: amount(0, Number.MAX_SAFE_INTEGER),
  bytes: amount(0, Number.MAX_SAFE_INTEGER),
}
export const OwnLimits = z.strictObject(shape).partial()
export type OwnLimits = z.output<typeof OwnLimits>
/** A merge patch of them: null goes back to the default. */
export const OwnLimitsPatch = z
  .strictObject({
    request_rate: shape.request_rate.nullable(),
    key_request_rate: shape.key_request_rate.nullable(),
    batch_rate: shape.batch_rate.nullable(),
    batch_size: shape.batch_size.nullable(),
    daily_writes: shape.daily_writes.nullable(),
    memories: shape.memories.nullable(),
    bytes: shape.bytes.nullable(),
  })
  .partial()

export type OwnLimitsPatch = z.output<typeof OwnLimitsPatch>

/** The limits of every tenant that has none of its own. */
export function defaultLimits(config: Config): Limits {
  const named = {
    request_rate: config.RATE_LIMIT_TENANT,
    key_request_rate: config.RATE_LIMIT_KEY,
    batch_rate: config.MAX_BATCH_RATE,
    batch_size: config.MAX_BATCH_SIZE,
    daily_writes: config.QUOTA_DAILY_WRITES,
    memories: config.QUOTA_MEMORIES,
    bytes: config.QUOTA_BYTES,
  }
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)) as Limits
}

/** What holds for a tenant: its own limits over the defaults. */
export function limitsOf(defaults: Limits, own: OwnLimits): Limits {
  const over = Object.entries(own).map(([name, value]) => [name, value === 'unlimited' ? undefined : typeof value === 'string' ? parseRate(value) : value])
  return Object.fromEntries(Object.entries({ ...defaults, ...Object.fromEntries(over) }).filter(([, value]) => value !== undefined)) as Limits
}
