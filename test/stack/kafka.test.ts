import { describe, expect, test } from 'vitest'
import { manifest } from '../../functions/manifest.ts'
import { computeNames } from '../../lib/context.ts'
import { deadLettersOf, groupOf } from '../../lib/kafka.ts'
import { targetOf } from '../../lib/placement.ts'
import { type GivenKafka, Settings, settingsOf } from '../../lib/settings.ts'
import { deadLetterTopic, groupId } from '../../shared/kafka/index.ts'
import { asList, type Json, ofType, type Statement, synth } from './synth.ts'

const id = 'soma/0a1b2c3d-0000-4000-8000-000000000001-4'
const clusterArn = `arn:aws:kafka:eu-central-1:123456789012:cluster/${id}`
const arnOf = (kind: 'topic' | 'group', name: string) => `arn:aws:kafka:eu-central-1:123456789012:${kind}/${id}/${name}`
const bootstrapServers = ['b-1.soma.kafka.eu-central-1.amazonaws.com:9098', 'b-2.soma.kafka.eu-central-1.amazonaws.com:9098']
const scram = {
  mechanism: 'scram',
  username: 'soma',
  secretArn: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:AmazonMSK_soma-AbCdEf',
  keyArn: 'arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000002',
} as const
const pollers = { least: 1, most: 3 }
const brokers: Record<GivenKafka['auth']['mechanism'], GivenKafka> = {
  iam: { clusterArn, bootstrapServers, auth: { mechanism: 'iam' }, pollers },
  scram: { clusterArn, bootstrapServers, auth: scram, pollers },
}
const mechanisms = ['iam', 'scram'] as const
const records = manifest.filter((row) => row.kind === 'records')
const speakers = manifest.filter((row) => row.kind === 'records' || row.publishes)
const others = manifest.filter((row) => !speakers.includes(row))

/** What may be done where, for the actions with one of these prefixes. */
function allowed(statements: Statement[], ...prefixes: string[]): Record<string, unknown[]> {
  const pairs = statements.flatMap(({ Action, Resource }) => asList(Action).flatMap((action) => asList(Resource).map((resource) => [action, resource] as const)))
  const wanted = pairs.filter(([action]) => prefixes.some((prefix) => action.startsWith(prefix)))
  return Object.fromEntries([...Map.groupBy(wanted, ([action]) => action)].map(([action, list]) => [action, list.map(([, resource]) => resource).sort()]))
}

describe.each(computeNames)('compute %s', (compute) => {
  describe.each(mechanisms)('with an MSK cluster by %s', (mechanism) => {
    const stack = synth({ compute, settings: { kafka: brokers[mechanism] } })
    const { resources, placed, logicalId } = stack
    const mappings = ofType(resources, 'AWS::Lambda::EventSourceMapping')
    const mappingOf = (name: string): [string, Json][] => {
      const on = placed(name)
      return on.on === 'lambda' ? mappings.filter(([, { Properties }]) => Properties.FunctionName.Ref === logicalId(on.fn.node.defaultChild)) : []
    }

    test.each(records)('$name has an event source exactly where it is a function', (row) => {
      const found = mappingOf(row.name)
      expect(found.length).toBe(targetOf(row, compute) === 'lambda' ? 1 : 0)
      expect(mappings.length).toBe(records.filter((one) => targetOf(one, compute) === 'lambda').length)
      for (const [, { Properties }] of found) {
        expect(Properties).toEqual({
          FunctionName: expect.anything(),
          EventSourceArn: clusterArn,
          Topics: [row.topic],
          AmazonManagedKafkaEventSourceConfig: { ConsumerGroupId: groupOf(row) },
          StartingPosition: 'TRIM_HORIZON',
          BatchSize: row.batchSize,
          FunctionResponseTypes: ['ReportBatchItemFailures'],
          BisectBatchOnFunctionError: true,
          // with a destination "for ever" (-1) would mean ten
          MaximumRetryAttempts: 10_000,
          DestinationConfig: { OnFailure: { Destination: `kafka://${row.topic}.dlq` } },
          ProvisionedPollerConfig: { MinimumPollers: 1, MaximumPollers: 3, PollerGroupName: 'soma-dev' },
          ...(mechanism === 'scram' ? { SourceAccessConfigurations: [{ Type: 'SASL_SCRAM_512_AUTH', URI: scram.secretArn }] } : {}),
        })
      }
    })

    test.each(speakers)('$name knows the broker, and its password only by ARN', ({ name, secrets }) => {
      const variables = stack.environment(name)
      expect(variables).toMatchObject({
        KAFKA_BOOTSTRAP_SERVERS: bootstrapServers.join(','),
        KAFKA_SECURITY_PROTOCOL: 'SASL_SSL',
        KAFKA_SASL_MECHANISM: mechanism === 'iam' ? 'aws-msk-iam' : 'scram-sha-512',
      })
      expect(variables.KAFKA_SASL_USERNAME).toBe(mechanism === 'iam' ? undefined : 'soma')
      expect(variables).not.toHaveProperty('KAFKA_SASL_PASSWORD')
      expect(secrets).toContain('KAFKA_SASL_PASSWORD')
      expect(Object.hasOwn(variables, 'KAFKA_SASL_PASSWORD_SECRET_ARN')).toBe(mechanism === 'scram')
    })

    test.each(others)('$name has nothing to do with it', ({ name }) => {
      expect(Object.keys(stack.environment(name)).filter((variable) => variable.startsWith('KAFKA_'))).toEqual([])
      expect(allowed(stack.statements(name), 'kafka', 'ec2:')).toEqual({})
    })

    test.each(speakers)('$name may do on its own topics and in its own group what it does there, and nothing besides', (row) => {
      const isFunction = row.kind === 'records' && targetOf(row, compute) === 'lambda'
      const written = row.kind === 'records' ? [deadLettersOf(row)] : (row.publishes ?? [])
      const onCluster = ['Connect', 'WriteDataIdempotently', ...(isFunction ? ['DescribeClusterDynamicConfiguration'] : [])]
      const expected: Record<string, string[]> = Object.fromEntries(onCluster.map((action) => [`kafka-cluster:${action}`, [clusterArn]]))
      expected['kafka-cluster:WriteData'] = written.map((name) => arnOf('topic', name))
      expected['kafka-cluster:DescribeTopic'] = expected['kafka-cluster:WriteData']
      if (row.kind === 'records') {
        expected['kafka-cluster:ReadData'] = [arnOf('topic', row.topic)]
        expected['kafka-cluster:DescribeTopic'] = [...written, row.topic].map((name) => arnOf('topic', name)).sort()
        for (const action of ['AlterGroup', 'DescribeGroup']) expected[`kafka-cluster:${action}`] = [arnOf('group', groupOf(row))]
      }
      const here = stack.statements(row.name)
      expect(allowed(here, 'kafka-cluster:')).toEqual(mechanism === 'iam' ? expected : {})
      const bySource = ['DescribeClusterV2', 'GetBootstrapBrokers', ...(mechanism === 'scram' ? ['ListScramSecrets'] : [])]
      expect(allowed(here, 'kafka:')).toEqual(isFunction ? Object.fromEntries(bySource.map((action) => [`kafka:${action}`, [clusterArn]])) : {})
      expect(Object.keys(allowed(here, 'ec2:')).sort()).toEqual(isFunction ? ['ec2:DescribeSecurityGroups', 'ec2:DescribeSubnets', 'ec2:DescribeVpcs'] : [])
      const readsCredentials = isFunction && mechanism === 'scram'
      expect(allowed(here, 'kms:')).toEqual(readsCredentials ? { 'kms:Decrypt': [scram.keyArn] } : {})
      expect(JSON.stringify(allowed(here, 'secretsmanager:GetSecretValue')).includes(scram.secretArn)).toBe(readsCredentials)
    })

    test('the drain invokes no record handler: the broker is between them', () => {
      expect(Object.keys(stack.environment('drain-outbox')).filter((variable) => variable.startsWith('FUNCTION_'))).toEqual([])
      expect(allowed(stack.statements('drain-outbox'), 'lambda:')).toEqual({})
      // requests still wake the drain where it is a function
      const wakes = Object.keys(stack.environment('store')).filter((variable) => variable.startsWith('FUNCTION_'))
      expect(wakes).toEqual(compute === 'lambda' ? ['FUNCTION_DRAIN_OUTBOX'] : [])
    })

    test('an event source is made after the permissions that it is checked against', () => {
      for (const row of records) {
        for (const [, { Properties }] of mappingOf(row.name)) {
          const policies = asList(resources[Properties.FunctionName.Ref]?.DependsOn ?? []).filter((one) => resources[one]?.Type === 'AWS::IAM::Policy')
          expect(policies.length).toBe(1)
        }
      }
    })
  })

  test('without a cluster there is no event source, no variable and no permission of a broker', () => {
    const stack = synth({ compute })
    expect(ofType(stack.resources, 'AWS::Lambda::EventSourceMapping')).toEqual([])
    for (const { name } of manifest) expect(Object.keys(stack.environment(name)).filter((variable) => variable.startsWith('KAFKA_'))).toEqual([])
    expect(JSON.stringify(stack.resources)).not.toContain('kafka')
  })
})

test('the stack has the names of groups and dead letters that the code has', () => {
  for (const row of records) expect([groupOf(row), deadLettersOf(row)]).toEqual([groupId(row.name, row.topic), deadLetterTopic(row.topic)])
})

test('a wrong setting of the broker is answered with what it takes', () => {
  const parse = (kafka: object) => Settings.parse({ ...settingsOf('dev'), kafka: { ...brokers.scram, ...kafka } })
  expect(parse({}).kafka).toEqual(brokers.scram)
  expect(() => parse({ clusterArn: 'soma' })).toThrow(/arn:aws:kafka:<region>/)
  expect(() => parse({ bootstrapServers: ['b-1.soma'] })).toThrow(/host:port/)
  expect(() => parse({ auth: { ...scram, secretArn: scram.secretArn.replace('AmazonMSK_', '') } })).toThrow(/AmazonMSK_/)
  expect(() => parse({ auth: { mechanism: 'iam', username: 'soma' } })).toThrow(/username/)
})
