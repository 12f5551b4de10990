import type { ArmerDeps } from '../../shared/arming/index.ts'
import { schedules } from '../../shared/aws/index.ts'
import { type Config, ConfigError } from '../../shared/config/index.ts'
import type { Log } from '../../shared/telemetry/index.ts'
import { manifest, restTickHours } from '../manifest.ts'

export type ArmSweepsDeps = ArmerDeps & { log: Pick<Log, 'info'> }

/** The jobs of the manifest that may be armed and whose function is told by ARN, FUNCTION_<JOB>. @throws ConfigError */
export function armSweepsDeps({ SWEEP_GROUP: group, SWEEP_ROLE_ARN: roleArn, functionNames }: Config, log: ArmSweepsDeps['log']): ArmSweepsDeps {
  if (!group || !roleArn) throw new ConfigError('SWEEP_GROUP and SWEEP_ROLE_ARN are missing: the group of the schedules, and the role that invokes the jobs.')
  const jobs = manifest.flatMap((row) => {
    const arn = functionNames[row.name]
    return row.kind === 'job' && row.swept && arn !== undefined ? [{ job: row.name, arn, ...row.swept }] : []
  })
  return { jobs, schedule: schedules({ group, roleArn }), horizonSeconds: restTickHours * 3600, log }
}
