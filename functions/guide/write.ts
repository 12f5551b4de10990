import type { Context } from 'hono'
import type { Env } from '../../shared/http/index.ts'
import { observeWrite } from '../../shared/telemetry/index.ts'
import type { GuideDeps } from './deps.ts'

/** Times a write, wakes the drain after its commit and says when the answer is that of an earlier call. */
export async function answerWrite<Body extends object>(
  c: Context<Env>,
  deps: GuideDeps,
  operation: string,
  work: () => Promise<{ replayed: boolean; body: Body }>,
): Promise<Response> {
  const { replayed, body } = await observeWrite(deps.metrics, operation, work)
  deps.wakeDrain()
  if (replayed) c.header('idempotent-replayed', 'true')
  return c.body(JSON.stringify(body), 200, { 'content-type': 'application/json' })
}
