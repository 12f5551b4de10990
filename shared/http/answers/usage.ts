import * as z from 'zod'
import type { NamespaceOut, SessionOut, UsageOut, UserOut } from '../../usage/index.ts'
import { namedAnswer, pageOf, Time } from './components.ts'

const count = z.int().min(0)
const Text = z.string().nullable()
const counted = { memories: count, last_activity: Time }

const NamespaceCount = namedAnswer('Namespace', z.strictObject({ namespace: z.string(), ...counted })) satisfies z.ZodType<NamespaceOut>
const UserCount = namedAnswer('User', z.strictObject({ user_id: z.string(), ...counted })) satisfies z.ZodType<UserOut>
const SessionCount = namedAnswer(
  'Session',
  z.strictObject({ session_id: z.string(), user_id: Text, agent_id: Text, app_id: Text, run_id: Text, ...counted }),
) satisfies z.ZodType<SessionOut>
export const NamespacePage = namedAnswer('NamespacePage', pageOf(NamespaceCount))
export const UserPage = namedAnswer('UserPage', pageOf(UserCount))
export const SessionPage = namedAnswer('SessionPage', pageOf(SessionCount))

const used = { memories: count, bytes: count, stores: count, recalls: count, embedded_tokens: count }
export const UsageReport = namedAnswer(
  'UsageReport',
  z.strictObject({
    from: Time,
    to: Time,
    by: z.enum(['day', 'hour']),
    items: z.array(z.strictObject({ start: Time, ...used })).meta({ description: 'memories and bytes are the level at the end of the bucket, the others what happened within' }),
    totals: z.strictObject(used),
  }),
) satisfies z.ZodType<UsageOut>
