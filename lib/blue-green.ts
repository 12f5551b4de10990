import { Duration } from 'aws-cdk-lib'
import { type Alarm, ComparisonOperator, MathExpression, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch'
import * as ecs from 'aws-cdk-lib/aws-ecs'
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import { ManagedPolicy, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { Construct } from 'constructs'
import { type Handler, pascalCase } from './handler.ts'
import type { Stage } from './settings.ts'
import { port } from './task.ts'

/** The two target groups of a service that is replaced as a whole, and the rule that forwards to one of them. */
export type Switched = { handler: Handler; service: ecs.FargateService; first: elb.ApplicationTargetGroup; second: elb.ApplicationTargetGroup; rule: elb.ApplicationListenerRule }

/** Too many failed answers, and too slow ones: two minutes in a row take a deployment back. Streams last as long as their bodies, and are not timed. */
const limits = { leastFailed: 5, failedShare: 0.05, slowSeconds: 5, minutes: 2 }
const streamsFromSeconds = 60

/** What ECS does to the load balancer, in AWS' own words: it registers targets and writes a rule's weights. One role for all services. */
export function switchRole(scope: Construct): Role {
  return new Role(scope, 'SwitchRole', {
    assumedBy: new ServicePrincipal('ecs.amazonaws.com'),
    managedPolicies: [ManagedPolicy.fromAwsManagedPolicyName('AmazonECSInfrastructureRolePolicyForLoadBalancers')],
  })
}

/**
 * Has ECS bring up the new version beside the old one, switch the rule to it when it is healthy, and keep the old one for the bake time; an alarm, or tasks that do not get healthy, take it back. The two
 * groups change places with each deployment, so that the alarms look at both.
 */
export function switchBetween({ handler, service, first, second, rule }: Switched, { role, stage }: { role: Role; stage: Stage }): void {
  const alternateTarget = new ecs.AlternateTarget('Switch', { alternateTargetGroup: second, productionListener: ecs.ListenerRuleConfiguration.applicationListenerRule(rule), role })
  first.addTarget(service.loadBalancerTarget({ containerName: handler.row.name, containerPort: port, alternateTarget }))
  const name = (what: string) => `soma-${stage}-${pascalCase(handler.row.name)}Deployment${what}`
  const alarms = [failing(handler, name('Fails'), [first, second])]
  if (handler.row.timeoutSeconds < streamsFromSeconds) alarms.push(slow(handler, name('Slow'), [first, second]))
  // by name: a reference would be circular
  service.enableDeploymentAlarms([name('Fails'), ...(alarms.length > 1 ? [name('Slow')] : [])], { behavior: ecs.AlarmBehavior.ROLLBACK_ON_ALARM })
  service.node.addDependency(...alarms)
}

type Groups = readonly [elb.ApplicationTargetGroup, elb.ApplicationTargetGroup]
const period = Duration.minutes(1)
const common = { evaluationPeriods: limits.minutes, comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD, treatMissingData: TreatMissingData.NOT_BREACHING }

function failing(scope: Handler, alarmName: string, [a, b]: Groups): Alarm {
  const failed = ({ metrics }: elb.ApplicationTargetGroup) => metrics.httpCodeTarget(elb.HttpCodeTarget.TARGET_5XX_COUNT, { period })
  const asked = ({ metrics }: elb.ApplicationTargetGroup) => metrics.requestCount({ period })
  const bad = '(FILL(failedA, 0) + FILL(failedB, 0))'
  return new MathExpression({
    expression: `IF(${bad} >= ${limits.leastFailed}, ${bad} / (FILL(askedA, 0) + FILL(askedB, 0)), 0)`,
    usingMetrics: { failedA: failed(a), failedB: failed(b), askedA: asked(a), askedB: asked(b) },
    period,
    label: 'share of requests that fail',
  }).createAlarm(scope, 'DeploymentFails', { ...common, alarmName, alarmDescription: described(scope, 'fails'), threshold: limits.failedShare })
}

function slow(scope: Handler, alarmName: string, [a, b]: Groups): Alarm {
  const took = ({ metrics }: elb.ApplicationTargetGroup) => metrics.targetResponseTime({ period, statistic: 'p95' })
  return new MathExpression({
    expression: 'MAX([FILL(tookA, 0), FILL(tookB, 0)])',
    usingMetrics: { tookA: took(a), tookB: took(b) },
    period,
    label: 'seconds, p95',
  }).createAlarm(scope, 'DeploymentSlow', { ...common, alarmName, alarmDescription: described(scope, 'is slow'), threshold: limits.slowSeconds })
}

const described = ({ row }: Handler, what: string): string =>
  `The service ${row.name} ${what}: a deployment of it that is under way goes back. What to do: docs/runbook.md#a-deployment-goes-wrong`
