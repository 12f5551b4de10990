import * as z from 'zod'

/** So many in a window of so many seconds. */
export type Rate = { count: number; seconds: number }

const units: Record<string, number> = { s: 1, m: 60, h: 3600 }
/** Also the pattern of the API's document. */
export const rateForm = /^([1-9]\d{0,8})(?:\/(\d{0,5})([smh]))?$/
export const rateTakes = 'takes a number a window, such as 100/s, 3000/m, 500/10s or 20000/h'

/** `100/s`, `3000/m`, `500/10s`; a bare number is one a second. Undefined when it has another form. */
export function parseRate(text: string): Rate | undefined {
  const match = rateForm.exec(text)
  if (!match) return undefined
  const [, count = '', amount = '', unit = 's'] = match
  const seconds = (amount === '' ? 1 : Number(amount)) * (units[unit] as number)
  return seconds >= 1 && seconds <= 86_400 ? { count: Number(count), seconds } : undefined
}

const rate = z.string().transform((text, context): Rate => {
  const parsed = parseRate(text)
  if (!parsed) context.addIssue({ code: 'custom', message: rateTakes })
  return parsed ?? { count: 1, seconds: 1 }
})
const amount = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER)

/** What holds for every tenant that has no limit of its own. */
export const limitVariables = {
  RATE_LIMIT_TENANT: rate.optional(),
  RATE_LIMIT_KEY: rate.optional(),
  MAX_BATCH_SIZE: z.coerce.number().int().min(1).max(500).optional(),
  MAX_BATCH_RATE: rate.optional(),
  QUOTA_DAILY_WRITES: amount.optional(),
  QUOTA_MEMORIES: amount.optional(),
  QUOTA_BYTES: amount.optional(),
}
