import { describe, expect, test } from 'vitest'
import { armer, manifest } from '../../functions/manifest.ts'
import { ContextError } from '../../lib/context.ts'
import { functionVariable } from '../../lib/handler.ts'
import { asList, type Json, ofType, synth } from './synth.ts'

const small = () => synth({ own: true, context: { size: 'small' } })

test('size=small has nothing that is paid while nobody asks but storage, the key, secrets, alarms and two endpoints in one zone', () => {
  const { resources, alarms } = small()
  for (const type of [
    'AWS::EC2::NatGateway',
    'AWS::MSK::Cluster',
    'AWS::RDS::DBProxy',
    'AWS::ElastiCache::ReplicationGroup',
    'AWS::ElasticLoadBalancingV2::LoadBalancer',
    'AWS::ECS::Service',
    'AWS::ECS::TaskDefinition',
    'AWS::WAFv2::WebACL',
  ])
    expect(ofType(resources, type), type).toEqual([])
  for (const type of ['AWS::CloudWatch::Dashboard', 'AWS::CloudWatch::CompositeAlarm']) expect(ofType(alarms, type), type).toEqual([])
  const endpoints = ofType(resources, 'AWS::EC2::VPCEndpoint').map(([, { Properties }]) => Properties)
  const paid = endpoints.filter(({ VpcEndpointType }) => VpcEndpointType === 'Interface')
  expect(paid.map(({ SubnetIds }) => SubnetIds.length)).toEqual([1, 1])
})

test('its database pauses, and nothing wakes it more often than four times a day', () => {
  const { resources } = small()
  const [cluster] = ofType(resources, 'AWS::RDS::DBCluster').map(([, { Properties }]) => Properties)
  expect(cluster?.ServerlessV2ScalingConfiguration).toEqual({ MinCapacity: 0, MaxCapacity: 2, SecondsUntilAutoPause: 300 })
  const rules = ofType(resources, 'AWS::Events::Rule').map(([, { Properties }]) => Properties.ScheduleExpression)
  expect(new Set(rules)).toEqual(new Set(['cron(0 */6 * * ? *)', 'cron(0 0 * * ? *)']))
})

test('everything that may be a function is one, the drill too, and a drain hands changes to the indexer by invoking it', () => {
  const made = small()
  const { stack, placed } = made
  const left = manifest.filter(({ hosts }) => !hosts.includes('lambda')).map(({ name }) => name)
  expect(left).toEqual(['export', 'import'])
  expect([...stack.handlers.keys()].sort()).toEqual(
    [...manifest, armer]
      .map(({ name }) => name)
      .filter((name) => !left.includes(name))
      .sort(),
  )
  expect(placed('drill').on).toBe('lambda')
  expect(made.properties('drill').Timeout).toBe(900)
  expect(made.environment('drill').DRILL_MAX_GB).toBe('2')
  expect(made.environment('drain-outbox')).toHaveProperty('FUNCTION_INDEX_VECTORS')
})

test('it is functions or nothing', () => {
  for (const compute of ['container', 'mixed'] as const) expect(() => synth({ compute, own: true, context: { size: 'small' } })).toThrow(ContextError)
})

test('whatever fails is told, also what ticks four times a day', () => {
  const { alarms, stack } = small()
  const failing = ofType(alarms, 'AWS::CloudWatch::Alarm').map(([, { Properties }]) => Properties)
  const jobs = manifest.filter(({ name, kind }) => kind === 'job' && stack.handlers.has(name)).filter((row) => row.kind === 'job' && row.everySeconds !== null)
  const told = failing.filter(({ Threshold, Period }) => Threshold === 0 && Period === 86_400)
  expect(told.length).toBeGreaterThanOrEqual(jobs.length)
})

describe('what elsewhere ticks each minute is armed', () => {
  const made = small()
  const idOf = (name: string) => {
    const on = made.placed(name)
    return on.on === 'lambda' ? made.logicalId(on.fn.node.defaultChild) : undefined
  }
  const arnOf = (name: string) => ({ 'Fn::GetAtt': [idOf(name), 'Arn'] })
  const swept = manifest.filter((row) => row.kind === 'job' && row.swept).map(({ name }) => name)
  const allowed = (statements: Json[], action: string) => statements.filter(({ Action }) => asList(Action).includes(action))
  const here = ['arn:', { Ref: 'AWS::Partition' }] as const
  const place = [{ Ref: 'AWS::Region' }, ':', { Ref: 'AWS::AccountId' }] as const
  const [roleId, role] = ofType(made.resources, 'AWS::IAM::Role').find(([id]) => id.startsWith('Sweeps')) ?? ['', {}]

  test('by one function outside of the VPC, which has no secret and no database, and is tried again when it fails', () => {
    const { VpcConfig, FunctionName } = made.properties(armer.name)
    expect([VpcConfig, FunctionName]).toEqual([undefined, 'soma-dev-arm-sweeps'])
    const [invoked] = ofType(made.resources, 'AWS::Lambda::EventInvokeConfig').filter(([, { Properties }]) => Properties.FunctionName.Ref === idOf(armer.name))
    expect(invoked?.[1].Properties).toMatchObject({ MaximumRetryAttempts: 2 })
    expect(made.environment(armer.name)).toEqual({
      STAGE: 'dev',
      DRILL_MAX_GB: '2',
      NODE_OPTIONS: '--enable-source-maps',
      SWEEP_GROUP: 'soma-dev',
      SWEEP_ROLE_ARN: { 'Fn::GetAtt': [roleId, 'Arn'] },
      ...Object.fromEntries(swept.map((name) => [functionVariable(name), arnOf(name)])),
    })
  })

  test('which may make schedules in the group of the stage alone, and hand them one role alone', () => {
    expect(made.statements(armer.name)).toEqual([
      { Effect: 'Allow', Action: 'scheduler:CreateSchedule', Resource: { 'Fn::Join': ['', [...here, ':scheduler:', ...place, ':schedule/soma-dev/*']] } },
      { Effect: 'Allow', Action: 'iam:PassRole', Resource: { 'Fn::GetAtt': [roleId, 'Arn'] }, Condition: { StringEquals: { 'iam:PassedToService': 'scheduler.amazonaws.com' } } },
    ])
    expect(ofType(made.resources, 'AWS::Scheduler::ScheduleGroup').map(([, { Properties }]) => Properties.Name)).toEqual(['soma-dev'])
  })

  test('a role that the schedules of that group alone may take, and that may invoke what is swept and nothing else', () => {
    const group = { 'Fn::Join': ['', [...here, ':scheduler:', ...place, ':schedule-group/soma-dev']] }
    expect(role.Properties.AssumeRolePolicyDocument.Statement).toEqual([
      {
        Effect: 'Allow',
        Action: 'sts:AssumeRole',
        Principal: { Service: 'scheduler.amazonaws.com' },
        Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' }, 'aws:SourceArn': group } },
      },
    ])
    const policies = ofType(made.resources, 'AWS::IAM::Policy').filter(([, { Properties }]) => Properties.Roles[0].Ref === roleId)
    const [statement, ...more] = policies.flatMap(([, { Properties }]) => Properties.PolicyDocument.Statement)
    expect([statement.Action, more]).toEqual(['lambda:InvokeFunction', []])
    expect(new Set(asList<Json>(statement.Resource).map((one) => JSON.stringify(one)))).toEqual(new Set(swept.map((name) => JSON.stringify(arnOf(name)))))
  })

  test('whoever wakes such a job, and each of them, may tell it by its name, and nobody else', () => {
    const arn = { 'Fn::Join': ['', [...here, ':lambda:', ...place, ':function:soma-dev-arm-sweeps']] }
    const tellers = [...made.stack.handlers.values()].filter(({ row }) => swept.includes(row.name) || row.invokes?.some((one) => swept.includes(one))).map(({ row }) => row.name)
    expect(tellers).toContain('store')
    for (const name of made.stack.handlers.keys()) {
      expect([name, made.environment(name).FUNCTION_ARM_SWEEPS]).toEqual([name, tellers.includes(name) ? 'soma-dev-arm-sweeps' : undefined])
      const invokes = allowed(made.statements(name), 'lambda:InvokeFunction').flatMap(({ Resource }) => asList(Resource).map((one) => JSON.stringify(one)))
      expect([name, invokes.includes(JSON.stringify(arn))]).toEqual([name, tellers.includes(name)])
    }
  })

  test('and nowhere else', () => {
    const { resources, stack } = synth({ own: true })
    expect(stack.handlers.has(armer.name)).toBe(false)
    expect(JSON.stringify(resources)).not.toMatch(/FUNCTION_ARM_SWEEPS|AWS::Scheduler/)
  })
})
