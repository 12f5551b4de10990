import { describe, expect, test } from 'vitest'
import { manifest } from '../../functions/manifest.ts'
import { Settings, settingsOf } from '../../lib/settings.ts'
import { runbookAnchors } from '../support/runbook.ts'
import { type Json, ofType, synth } from './synth.ts'

const http = manifest.filter((row) => row.kind === 'http')
const blueGreen = { bakeMinutes: 7 }
const both = (compute: 'container' | 'lambda', settings: Partial<Settings> = { blueGreen }) => {
  const synthesised = synth({ compute, settings })
  const { resources, logicalId, placed } = synthesised
  const service = (name: string): Json => {
    const on = placed(name)
    return resources[logicalId(on.on === 'task' ? on.service?.node.findChild('Service') : undefined)] as Json
  }
  return { ...synthesised, service }
}

describe('services behind the load balancer, where the stage says blue and green', () => {
  const { resources, service } = both('container')
  const [role] = ofType(resources, 'AWS::IAM::Role').filter(([, { Properties }]) => JSON.stringify(Properties.AssumeRolePolicyDocument).includes('"ecs.amazonaws.com"'))

  test.each(http)('$name is switched by its one rule from one group of targets to the other, and back by its alarms', ({ name, timeoutSeconds }) => {
    const { Properties, DependsOn } = service(name)
    const { DeploymentConfiguration: deployment, LoadBalancers } = Properties
    expect(deployment).toMatchObject({ Strategy: 'BLUE_GREEN', BakeTimeInMinutes: 7, MinimumHealthyPercent: 100, MaximumPercent: 200 })
    expect(deployment.DeploymentCircuitBreaker).toEqual({ Enable: true, Rollback: true })
    expect(LoadBalancers.length).toBe(1)
    const [{ TargetGroupArn: first, ContainerName, ContainerPort, AdvancedConfiguration: advanced }] = LoadBalancers
    expect([ContainerName, ContainerPort]).toEqual([name, 8080])
    expect(advanced.RoleArn).toEqual({ 'Fn::GetAtt': [role?.[0], 'Arn'] })

    const second = advanced.AlternateTargetGroupArn
    expect(resources[second.Ref]?.Properties).toEqual(resources[first.Ref]?.Properties)
    expect(second.Ref).not.toBe(first.Ref)
    expect(resources[advanced.ProductionListenerRule.Ref]?.Properties.Actions).toEqual([
      {
        Type: 'forward',
        ForwardConfig: {
          TargetGroups: [
            { TargetGroupArn: first, Weight: 1 },
            { TargetGroupArn: second, Weight: 0 },
          ],
        },
      },
    ])
    // what is switched is all there is: no other rule forwards to either group
    const forwarding = ofType(resources, 'AWS::ElasticLoadBalancingV2::ListenerRule').filter(([, rule]) => JSON.stringify(rule.Properties.Actions).includes(`"${first.Ref}"`))
    expect(forwarding.map(([id]) => id)).toEqual([advanced.ProductionListenerRule.Ref])

    expect(deployment.Alarms).toMatchObject({ Enable: true, Rollback: true })
    const alarms = ofType(resources, 'AWS::CloudWatch::Alarm').filter(([, alarm]) => deployment.Alarms.AlarmNames.includes(alarm.Properties.AlarmName))
    expect(alarms.length).toBe(timeoutSeconds > 60 ? 1 : 2)
    expect(deployment.Alarms.AlarmNames.length).toBe(alarms.length)
    for (const [id, alarm] of alarms) {
      // a service that names an alarm comes after it
      expect(DependsOn).toContain(id)
      const watched = new Set(
        alarm.Properties.Metrics.flatMap(({ MetricStat }: Json) => (MetricStat ? [MetricStat] : [])).map(({ Metric }: Json) => JSON.stringify(Metric.Dimensions)),
      )
      for (const group of [first, second]) expect([...watched].some((dimensions) => String(dimensions).includes(`"${group.Ref}"`))).toBe(true)
      // two minutes in a row, and one until CloudWatch has looked, are within the shortest bake time
      expect(alarm.Properties.EvaluationPeriods).toBeLessThan(3)
      expect(alarm.Properties.TreatMissingData).toBe('notBreaching')
      expect(runbookAnchors()).toContain(alarm.Properties.AlarmDescription.split('docs/runbook.md#')[1])
    }
  })

  test('what has no load balancer rolls, and goes back by the circuit breaker', () => {
    for (const { name } of manifest.filter((row) => row.kind === 'records')) {
      const { DeploymentConfiguration, LoadBalancers } = service(name).Properties
      expect(DeploymentConfiguration).toEqual({ DeploymentCircuitBreaker: { Enable: true, Rollback: true }, MaximumPercent: 200, MinimumHealthyPercent: 100 })
      expect(LoadBalancers).toEqual([])
    }
  })

  test('ECS may do at the load balancer what AWS says it needs for that, by one role and nothing besides', () => {
    expect(JSON.stringify(role?.[1].Properties.ManagedPolicyArns)).toContain('/AmazonECSInfrastructureRolePolicyForLoadBalancers')
    expect(role?.[1].Properties.ManagedPolicyArns.length).toBe(1)
    const attached = ofType(resources, 'AWS::IAM::Policy').filter(([, { Properties }]) => JSON.stringify(Properties.Roles).includes(`"${role?.[0]}"`))
    expect(attached).toEqual([])
  })

  test('a request that is under way may end on the old version: nothing is cut off before its time is over', () => {
    for (const { name, timeoutSeconds } of http) {
      const group = resources[service(name).Properties.LoadBalancers[0].TargetGroupArn.Ref]?.Properties
      expect(group.TargetGroupAttributes).toContainEqual({ Key: 'deregistration_delay.timeout_seconds', Value: String(timeoutSeconds + 1) })
    }
  })
})

test('what streams beside functions is switched too, by TLS where there is a certificate', () => {
  const domain = { name: 'memory.example.com', certificateArn: 'arn:aws:acm:eu-central-1:123456789012:certificate/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f' }
  const { resources, service } = both('lambda', { blueGreen, domain })
  const [https] = ofType(resources, 'AWS::ElasticLoadBalancingV2::Listener').filter(([, { Properties }]) => Properties.Protocol === 'HTTPS')
  for (const name of ['export', 'import']) {
    const { AdvancedConfiguration } = service(name).Properties.LoadBalancers[0]
    expect(resources[AdvancedConfiguration.ProductionListenerRule.Ref]?.Properties.ListenerArn).toEqual({ Ref: https?.[0] })
  }
})

test('null rolls: one group of targets a service, no role, no alarm, the circuit breaker', () => {
  const { resources, service } = both('container', { blueGreen: null })
  for (const { name } of http) {
    const { DeploymentConfiguration, LoadBalancers } = service(name).Properties
    expect(DeploymentConfiguration).toEqual({ DeploymentCircuitBreaker: { Enable: true, Rollback: true }, MaximumPercent: 200, MinimumHealthyPercent: 100 })
    expect(LoadBalancers[0].AdvancedConfiguration).toBeUndefined()
  }
  expect(ofType(resources, 'AWS::ElasticLoadBalancingV2::TargetGroup').length).toBe(http.length)
  expect(JSON.stringify(resources)).not.toMatch(/InfrastructureRole|"ecs\.amazonaws\.com"/)
  expect(ofType(resources, 'AWS::CloudWatch::Alarm')).toEqual([])
})

test('the rules are the same with both, so that a stage can change its mind', () => {
  const conditionsOf = (settings: Partial<Settings>) =>
    ofType(synth({ compute: 'container', settings }).resources, 'AWS::ElasticLoadBalancingV2::ListenerRule').map(([id, { Properties }]) => [
      id,
      Properties.Priority,
      Properties.Conditions,
    ])
  expect(conditionsOf({ blueGreen })).toEqual(conditionsOf({ blueGreen: null }))
})

test('the largest stack stays within the 500 resources that CloudFormation takes', () => {
  const { resources } = synth({ stage: 'prod', compute: 'container', own: true, settings: { blueGreen } })
  expect(ofType(resources, 'AWS::ECS::Service').some(([, { Properties }]) => Properties.DeploymentConfiguration.Strategy === 'BLUE_GREEN')).toBe(true)
  expect(Object.keys(resources).length).toBeLessThanOrEqual(480)
})

test('dev and prod roll, staging bakes; a bake time that no alarm could make use of is refused', () => {
  expect((['dev', 'staging', 'prod'] as const).map((stage) => settingsOf(stage).blueGreen)).toEqual([null, { bakeMinutes: 5 }, null])
  for (const bakeMinutes of [2, 2.5, 121]) expect(() => Settings.parse({ ...settingsOf('prod'), blueGreen: { bakeMinutes } })).toThrow(/bakeMinutes/)
})
