import * as z from 'zod'
import { textProblem } from '../json/index.ts'
import { AppError } from '../problem/index.ts'

const name = z
  .string()
  .min(1)
  .max(256)
  .refine((text) => !textProblem(text), 'holds a character that cannot be stored')
const idNames = ['user_id', 'agent_id', 'app_id', 'run_id', 'session_id'] as const
const ids = { user_id: name.optional(), agent_id: name.optional(), app_id: name.optional(), run_id: name.optional(), session_id: name.optional() }

/** The part of its tenant that a key may name: these namespaces, and memories with these scope ids. What is absent is not limited. */
export const KeyReach = z
  .strictObject({ namespaces: z.array(name).min(1).max(100).optional(), ...ids })
  .refine((reach) => Object.values(reach).some((value) => value !== undefined), 'names at least one namespace or scope id')
export type KeyReach = z.output<typeof KeyReach>

type Limited = { reach?: KeyReach }
/** What a call names, or a memory is in. */
export type Place = { namespace: string } & { [id in (typeof idNames)[number]]?: string | null | undefined }

/**
 * Whoever calls may name this place: its namespace, and each scope id that the key is limited to, which must be there and equal. A call that names less is refused, and never
 * narrowed: its answer would be another one than the caller thinks. @throws AppError forbidden
 */
export function assertWithin({ reach }: Limited, place: Place): void {
  if (!reach) return
  const inside = (reach.namespaces?.includes(place.namespace) ?? true) && idNames.every((id) => reach[id] === undefined || reach[id] === place[id])
  if (!inside) throw beyond(reach)
}

/** What is of a whole tenant, or of somebody else's, is not for a limited key. @throws AppError forbidden */
export function assertUnlimited({ reach }: Limited): void {
  if (reach) throw beyond(reach)
}

function beyond({ namespaces, ...ids }: KeyReach): AppError {
  const limits = [
    ...(namespaces ? [`the ${namespaces.length > 1 ? 'namespaces' : 'namespace'} ${namespaces.join(', ')}`] : []),
    ...Object.entries(ids).map(([id, value]) => `${id} "${value}"`),
  ]
  return new AppError('forbidden', `This goes beyond what the key may reach: it is limited to ${limits.join(' and ')}, which a call has to name.`, { denied: { reason: 'reach' } })
}
