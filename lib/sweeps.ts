import { ArnFormat, Stack } from 'aws-cdk-lib'
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { CfnScheduleGroup } from 'aws-cdk-lib/aws-scheduler'
import { Construct } from 'constructs'
import { functionVariable, type Handler } from './handler.ts'
import { armerName } from './lambda.ts'
import type { Stage } from './settings.ts'

export type SweepsProps = { armer: Handler; handlers: ReadonlyMap<string, Handler>; stage: Stage }

/**
 * What a stage that rests has instead of ticks each minute: the armer may make schedules in a group of the stage's own, and hand them one role, which may invoke the jobs that their rows let be swept.
 * Handlers reach it as they reach each other, by the endpoint of Lambda.
 */
export class Sweeps extends Construct {
  constructor(scope: Construct, id: string, { armer, handlers, stage }: SweepsProps) {
    super(scope, id)
    const name = `soma-${stage}`
    new CfnScheduleGroup(this, 'Group', { name })
    const { account } = Stack.of(this)
    const arnOf = (resource: string, resourceName: string) => Stack.of(this).formatArn({ service: 'scheduler', resource, resourceName })
    const conditions = { StringEquals: { 'aws:SourceAccount': account, 'aws:SourceArn': arnOf('schedule-group', name) } }
    const role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('scheduler.amazonaws.com', { conditions }), description: 'Soma: invokes the jobs that are swept' })
    armer.setVariable('SWEEP_GROUP', name)
    armer.setVariable('SWEEP_ROLE_ARN', role.roleArn)
    allow(armer, ['scheduler:CreateSchedule'], arnOf('schedule', `${name}/*`))
    armer.grantPrincipal.addToPrincipalPolicy(
      new PolicyStatement({ actions: ['iam:PassRole'], resources: [role.roleArn], conditions: { StringEquals: { 'iam:PassedToService': 'scheduler.amazonaws.com' } } }),
    )
    const swept = [...handlers.values()].filter(isSwept)
    for (const job of swept) {
      if (job.placed.on !== 'lambda') throw new Error(`The job ${job.row.name} is swept, and no function.`)
      armer.setVariable(functionVariable(job.row.name), job.placed.fn.functionArn)
      role.addToPrincipalPolicy(new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [job.placed.fn.functionArn] }))
    }
    const names = new Set(swept.map(({ row }) => row.name))
    for (const handler of handlers.values()) if (isSwept(handler) || handler.row.invokes?.some((one) => names.has(one))) this.mayTell(handler, armer, stage)
  }

  private mayTell(handler: Handler, { row }: Handler, stage: Stage): void {
    const resourceName = armerName(stage, row.name)
    handler.setVariable(functionVariable(row.name), resourceName)
    allow(handler, ['lambda:InvokeFunction'], Stack.of(this).formatArn({ service: 'lambda', resource: 'function', resourceName, arnFormat: ArnFormat.COLON_RESOURCE_NAME }))
  }
}

const isSwept = ({ row }: Handler): boolean => row.kind === 'job' && row.swept !== undefined

function allow(handler: Handler, actions: string[], resource: string): void {
  handler.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({ actions, resources: [resource] }))
}
