import { slos } from '../../shared/telemetry/slos.ts'

/** What k6 holds a run to: the promises to callers, by the tag `promise` of a request; that recalls find what was stored; and that the load was sent as it was meant. */
export function thresholds(): Record<string, string[]> {
  const promised = slos.flatMap(({ name, available, fast, withinSeconds }) => [
    [`http_req_failed{promise:${name}}`, [failedBelow(available)]],
    [`http_req_duration{promise:${name}}`, [`p(${100 * fast})<${1000 * withinSeconds}`]],
  ])
  const [strictest] = slos.map(({ available }) => available).sort((a, b) => b - a)
  return {
    http_req_failed: [failedBelow(strictest as number)],
    checks: [`rate>${strictest}`],
    dropped_iterations: ['count==0'],
    ...Object.fromEntries(promised),
  }
}

/** 0.999 → rate<0.001, and not a float's 0.0010000000000000009 */
const failedBelow = (available: number) => `rate<${Number((1 - available).toFixed(9))}`
