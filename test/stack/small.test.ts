import { expect, test } from 'vitest'
import { manifest } from '../../functions/manifest.ts'
import { ContextError } from '../../lib/context.ts'
import { ofType, synth } from './synth.ts'

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
    manifest
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
