import { type Armed, createArmer } from '../../shared/arming/index.ts'
import type { ArmSweepsDeps } from './deps.ts'

/** Takes an arming of another function, and sees to it by one-shot schedules that jobs run in time. Without a database: it is outside of the VPC, from where EventBridge Scheduler is reached for nothing. */
export function createArmSweeps(deps: ArmSweepsDeps): (event: unknown) => Promise<Armed> {
  const arm = createArmer(deps)
  return async (event) => {
    const done = await arm(event)
    deps.log.info(done, 'sweeps')
    return done
  }
}
