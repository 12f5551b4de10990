import { certificateReader, dependablesOf, httpDeps, journalReader, type Runtime, tlsEndpoints } from '../../shared/host/index.ts'
import type { Component, Dependable, HttpDeps } from '../../shared/http/index.ts'
import type { JournalReader } from '../../shared/journal/index.ts'

export type StatusDeps = HttpDeps & {
  metricsToken: string | undefined
  stage: string
  dependables: Dependable[]
  redis: (() => Omit<Component, 'latency_ms'>) | undefined
  journal: JournalReader | undefined
  /** Seconds until the certificate of each dependency expires. */
  certificates: (now: number) => Promise<Map<string, number>>
}
export function statusDeps(runtime: Runtime): StatusDeps {
  const { redis, config } = runtime
  const away = { ok: false, state: 'open', detail: 'it cannot be used; the reason is in the log. Look at REDIS_URL; `npx soma doctor` tells more' } as const
  return {
    ...httpDeps(runtime),
    metricsToken: config.METRICS_TOKEN,
    stage: config.STAGE,
    dependables: dependablesOf(runtime),
    journal: journalReader(config),
    certificates: certificateReader(tlsEndpoints(config), (dependency, error) => runtime.log.warn({ dependency, err: error }, 'its certificate could not be read')),
    redis: redis && (() => (redis.state().ok ? { ok: true, state: 'closed' } : away)),
  }
}
