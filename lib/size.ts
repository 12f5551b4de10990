import { ContextError, type DeployContext } from './context.ts'
import type { Settings } from './settings.ts'

/**
 * `-c size=small`: the stage's settings, with all that costs while nobody asks taken out. The database pauses, the drain hands changes to the indexer by invocation, jobs tick four times a day, and what
 * only a task can do (streams of any length) is left out. @throws ContextError when something else than functions is asked for
 */
export function sized(settings: Settings, { size, compute }: Pick<DeployContext, 'size' | 'compute'>): Settings {
  if (size !== 'small') return settings
  if (compute !== 'lambda')
    throw new ContextError(`The context key "size" cannot be "small" with "compute" ${JSON.stringify(compute)}: tasks are paid while they wait. Take compute=lambda.`)
  return {
    ...settings,
    rests: true,
    database: settings.database && { ...settings.database, capacity: { least: 0, most: 2 }, readers: 0, proxy: false, rotateDays: null },
    kafka: null,
    redis: null,
    firewall: null,
    reservedConcurrency: { http: null, records: null, job: null },
    // what a drill can copy within a function's time
    variables: { DRILL_MAX_GB: '2', ...settings.variables },
  }
}
