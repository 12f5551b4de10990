import * as z from 'zod'
import type { Component, Readiness } from '../health.ts'
import { namedAnswer } from './components.ts'

const One = namedAnswer(
  'Component',
  z.strictObject({ ok: z.boolean(), latency_ms: z.number().min(0), detail: z.string().optional(), state: z.enum(['closed', 'half_open', 'open']).optional() }),
) satisfies z.ZodType<Component>
const components = z.record(z.string(), One)
/** The guides ask for one by the name memory, and whether it answers by HTTP. */
const served = z.record(z.string(), z.union([One, z.strictObject({ ...One.shape, http: z.boolean() })]))

export const Alive = namedAnswer('Alive', z.strictObject({ status: z.literal('ok') }))
export const Ready = namedAnswer('Ready', z.strictObject({ status: z.enum(['ok', 'unavailable']), components })) satisfies z.ZodType<Readiness>
export const Health = namedAnswer(
  'Health',
  z.strictObject({ status: z.enum(['ok', 'degraded', 'down']), ok: z.boolean(), ready: z.boolean(), components: served, stage: z.string() }),
)
export const Document = namedAnswer('OpenApiDocument', z.looseObject({ openapi: z.string(), info: z.looseObject({}), paths: z.looseObject({}) }))
