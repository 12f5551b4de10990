import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { App, Validations } from 'aws-cdk-lib'
import { AwsSolutionsChecks } from 'cdk-nag'
import { describe, expect, test } from 'vitest'
import cdk from '../../cdk.json' with { type: 'json' }
import { type Compute, readContext } from '../../lib/context.ts'
import type { Stage } from '../../lib/settings.ts'
import { SomaStack } from '../../lib/stack.ts'
import { entries, temporary } from './synth.ts'

/** What AWS' rules for solutions find and we leave as it is, and why. */
const reasons: [finding: RegExp, reason: string][] = [
  [
    /^AwsSolutions-SMG4 .*\/(SigningKey|MetricsToken|SomaApiToken|BackupKey|Cache\/Secret)\//,
    'who changes one of these has more to do than to change it: archives, cursors and callers depend on it',
  ],
  [/^AwsSolutions-SMG4 .*\/Database\/Admin\//, 'used by the migration of a deployment alone; a rotation would need a login above it'],
  [/^AwsSolutions-SMG4 .*soma-dev/, 'dev rotates nothing by itself'],
  [
    /^AwsSolutions-RDS6 /,
    'logins are members of soma_app or soma_worker by SCRAM, with passwords that rotate; a token of IAM lasts 15 minutes and pools keep connections for an hour',
  ],
  [/^AwsSolutions-RDS10 .*soma-(dev|staging)/, 'these stages go when their stack goes'],
  [/^AwsSolutions-AEC5 /, 'a port is no secret; the security group admits the handlers alone'],
  [/^AwsSolutions-AEC4 soma-staging\//, 'a counter of rate limits: a failover loses nothing that is not counted again'],
  [/^AwsSolutions-IAM4\[Policy::.*\/(AWSLambdaBasicExecutionRole|AWSLambdaVPCAccessExecutionRole)\]/, 'what Lambda asks of every function in a VPC'],
  [
    /^AwsSolutions-IAM4\[Policy::.*\/AmazonECSInfrastructureRolePolicyForLoadBalancers\] .*\/SwitchRole\//,
    'what ECS asks for to switch services: it says itself which calls it makes, and a narrower copy would fail in the middle of a deployment when it makes another',
  ],
  [/^AwsSolutions-IAM5\[Resource::<ArchivesBucket\w+\.Arn>\/(backups|transfers)\/\*\]/, 'the objects under the prefix of the row'],
  [/^AwsSolutions-IAM5\[Resource::\*\] .*ExecutionRole/, 'ecr:GetAuthorizationToken belongs to no repository'],
  [/^AwsSolutions-IAM5\[Resource::\*\] .*\/(IndexVectors|ProjectEvents)\/Function\//, 'ec2:Describe… of the pollers takes no resource'],
  [/^AwsSolutions-IAM5\[Resource::arn:<AWS::Partition>:ecs:.*:task\/<Cluster\w+>\/\*\] .*EventsRole/, 'tasks of the own cluster, whose ids nobody knows before'],
  [/^AwsSolutions-IAM5\[Resource::arn:<AWS::Partition>:scheduler:.*:schedule\/soma-dev\/\*\] .*\/ArmSweeps\//, 'schedules of the own group, whose names say when'],
  [/^AwsSolutions-ECS4 /, 'Container Insights is paid by the metric, and no alarm looks at it: services are judged by what their callers get'],
  [/^AwsSolutions-ECS2 /, 'the variables of a task hold no secret: permissions.test.ts'],
  [/^AwsSolutions-APIG4 /, 'handlers authorise by API key or token and its scopes, the same on every host'],
  [
    /^AwsSolutions-EC23 .*\/(Vpc\/\w+|LoadBalancer)\/SecurityGroup\//,
    'endpoints and the load balancer admit the address range of the VPC, which the rule cannot read before a deployment',
  ],
]

function findings(stage: Stage, compute: Compute, context: Record<string, string> = {}): string[] {
  const outdir = temporary()
  const app = new App({ outdir, context: { ...cdk.context, stage, compute, ...context, 'aws:cdk:bundling-stacks': [] } })
  new SomaStack(app, { context: readContext(app.node), functionsRoot: entries })
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app))
  // it throws where something is found, and the report says what
  expect(() => app.synth()).toThrow()
  const { pluginReports } = JSON.parse(readFileSync(join(outdir, 'validation-report.json'), 'utf8'))
  type Violation = { ruleName: string; violatingConstructs: { constructPath: string }[] }
  return pluginReports.flatMap(({ violations }: { violations: Violation[] }) =>
    violations.flatMap(({ ruleName, violatingConstructs }) => violatingConstructs.map(({ constructPath }) => `${ruleName} ${constructPath}`)),
  )
}

describe("AWS' own rules for solutions (cdk-nag)", () => {
  const found = [
    findings('dev', 'lambda'),
    findings('dev', 'lambda', { size: 'small' }),
    findings('staging', 'mixed'),
    findings('prod', 'lambda'),
    findings('prod', 'container'),
  ].flat()

  test('find nothing without a reason', () => {
    expect(found.length).toBeGreaterThan(0)
    expect(found.filter((one) => !reasons.some(([finding]) => finding.test(one)))).toEqual([])
  })

  test('find all that there is a reason for', () => {
    for (const [finding] of reasons)
      expect(
        found.some((one) => finding.test(one)),
        String(finding),
      ).toBe(true)
  })
})
