import { describe, expect, test } from 'vitest'
import { alerts } from '../../functions/alerts.ts'
import { manifest } from '../../functions/manifest.ts'
import { asList, type Json, ofType, synth } from './synth.ts'

const certificateArn = 'arn:aws:acm:eu-central-1:123456789012:certificate/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f'
const domain = { name: 'memory.example.com', streamName: 'streams.example.com', certificateArn }
const of = (resources: Record<string, Json>, type: string): Json[] => ofType(resources, type).map(([, { Properties }]) => Properties)
const outputs = ({ template }: ReturnType<typeof synth>) => template.toJSON().Outputs

describe('behind the HTTP API', () => {
  test('more requests than the stage takes are refused before they cost anything, and each is told in a log without its query', () => {
    const [stage] = of(synth({ stage: 'prod' }).resources, 'AWS::ApiGatewayV2::Stage')
    expect(stage?.DefaultRouteSettings).toMatchObject({ ThrottlingRateLimit: 2000, ThrottlingBurstLimit: 4000 })
    const line = JSON.parse(stage?.AccessLogSettings.Format)
    expect(Object.values(line)).toContain('$context.routeKey')
    expect(JSON.stringify(line)).not.toMatch(/querystring|\$context\.path|authorizer/i)
  })

  test('a name of its own closes the door that AWS opens beside it', () => {
    const synthesised = synth({ settings: { domain } })
    expect(of(synthesised.resources, 'AWS::ApiGatewayV2::Api')[0]?.DisableExecuteApiEndpoint).toBe(true)
    expect(of(synthesised.resources, 'AWS::ApiGatewayV2::DomainName')[0]).toMatchObject({
      DomainName: domain.name,
      DomainNameConfigurations: [{ SecurityPolicy: 'TLS_1_2', CertificateArn: certificateArn }],
    })
    expect(outputs(synthesised).Url.Value).toBe(`https://${domain.name}`)
    expect(outputs(synthesised).StreamUrl.Value).toBe(`https://${domain.streamName}`)
  })
})

describe('behind the load balancer', () => {
  test('with a certificate there is TLS, and whoever speaks HTTP is told where to go', () => {
    const synthesised = synth({ compute: 'container', settings: { domain } })
    const listeners = of(synthesised.resources, 'AWS::ElasticLoadBalancingV2::Listener')
    const by = Object.fromEntries(listeners.map((listener) => [listener.Protocol, listener]))
    expect(by.HTTP?.DefaultActions).toEqual([{ Type: 'redirect', RedirectConfig: { Protocol: 'HTTPS', Port: '443', StatusCode: 'HTTP_301' } }])
    expect(by.HTTPS).toMatchObject({ Port: 443, Certificates: [{ CertificateArn: certificateArn }] })
    expect(by.HTTPS?.SslPolicy).toMatch(/TLS13/)
    const [https] = ofType(synthesised.resources, 'AWS::ElasticLoadBalancingV2::Listener').filter(([, { Properties }]) => Properties.Protocol === 'HTTPS')
    for (const rule of of(synthesised.resources, 'AWS::ElasticLoadBalancingV2::ListenerRule')) expect(rule.ListenerArn).toEqual({ Ref: https?.[0] })
    expect(outputs(synthesised).Url.Value).toBe(`https://${domain.name}`)
  })

  test('a firewall refuses floods and attacks, and takes memories for what they are', () => {
    const { resources } = synth({ compute: 'container', settings: { firewall: { perFiveMinutes: 1000 } } })
    const [acl] = of(resources, 'AWS::WAFv2::WebACL')
    const [flood, ...managed] = acl?.Rules ?? []
    expect(flood).toMatchObject({ Statement: { RateBasedStatement: { Limit: 1000, AggregateKeyType: 'IP' } }, Action: { Block: { CustomResponse: { ResponseCode: 429 } } } })
    for (const { Statement } of managed)
      for (const { Name, ActionToUse } of Statement.ManagedRuleGroupStatement.RuleActionOverrides) {
        expect(Name).toMatch(/_BODY$/)
        expect(ActionToUse).toEqual({ Count: {} })
      }
    expect(ofType(resources, 'AWS::WAFv2::WebACLAssociation').length).toBe(1)
    const [logging] = of(resources, 'AWS::WAFv2::LoggingConfiguration')
    expect(JSON.stringify(logging?.LogDestinationConfigs)).not.toContain(':*')
    expect(logging?.RedactedFields).toContainEqual({ QueryString: {} })
  })
})

describe('alarms', () => {
  const { alarms: resources, resources: main } = synth({ stage: 'prod', own: true, settings: { alarmEmails: ['ops@example.com'] } })
  const every = [...of(resources, 'AWS::CloudWatch::Alarm'), ...of(resources, 'AWS::CloudWatch::CompositeAlarm')]

  test('every alert is one, or measured otherwise in a stack', () => {
    const otherwise: Record<string, string> = {
      SomaConsumerLag: 'MSK measures it: an alarm a consumer group',
      SomaJournalWaits: 'no stack has a journal',
      SomaJournalFailed: 'the same',
    }
    for (const { name, alarm } of alerts) expect(alarm === undefined, name).toBe(name in otherwise)
    const names = new Set(every.map(({ AlarmName }) => AlarmName))
    for (const row of manifest)
      if (row.kind === 'records')
        expect(
          [...names].some((one) =>
            String(one)
              .toLowerCase()
              .endsWith(`${row.name.replaceAll('-', '')}lag`),
          ),
        ).toBe(true)
    for (const { name, alarm } of alerts) if (alarm) expect(names).toContain(`soma-prod-${name.replace('Soma', '')}`)
  })

  test('somebody is told of each, when it is raised and when it is over', () => {
    const told = every.filter(({ AlarmActions }) => AlarmActions)
    for (const { AlarmActions, OKActions } of told) expect(OKActions).toEqual(AlarmActions)
    // the others are parts of one that both windows make
    const parts = every.filter(({ AlarmActions }) => !AlarmActions)
    const rules = JSON.stringify(of(resources, 'AWS::CloudWatch::CompositeAlarm').map(({ AlarmRule }) => AlarmRule))
    const ids = ofType(resources, 'AWS::CloudWatch::Alarm')
      .filter(([, { Properties }]) => !Properties.AlarmActions)
      .map(([id]) => id)
    expect(ids.length).toBe(parts.length)
    for (const id of ids) expect(rules).toContain(id)
    for (const topic of of(resources, 'AWS::SNS::Topic')) expect(topic.KmsMasterKeyId).toBeDefined()
    expect(of(resources, 'AWS::SNS::Subscription').map(({ Endpoint }) => Endpoint)).toEqual(['ops@example.com', 'ops@example.com'])
  })

  test('no alarm looks over a longer time than CloudWatch can', () => {
    for (const { Period, EvaluationPeriods, Metrics } of of(resources, 'AWS::CloudWatch::Alarm')) {
      const period = Period ?? Math.max(...asList(Metrics).flatMap(({ MetricStat }: Json) => (MetricStat ? [MetricStat.Period] : [])))
      expect(period * EvaluationPeriods).toBeLessThanOrEqual(86_400)
    }
  })

  test('the function of status is told each minute to measure, and every handler knows where to tell', () => {
    const rules = of(main, 'AWS::Events::Rule').filter(({ Targets }) => Targets[0].Input === '{"measure":true}')
    expect(rules.map(({ ScheduleExpression }) => ScheduleExpression)).toEqual(['rate(1 minute)'])
    const made = synth({ stage: 'prod', own: true, settings: { alarmEmails: ['ops@example.com'] } })
    for (const name of made.stack.handlers.keys()) expect(made.environment(name).METRICS_NAMESPACE).toBe('Soma/prod')
  })
})
