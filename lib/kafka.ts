import { Arn, ArnFormat, Aws } from 'aws-cdk-lib'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { EventSourceMapping, type Function as LambdaFunction, SourceAccessConfigurationType, StartingPosition } from 'aws-cdk-lib/aws-lambda'
import { KafkaDlq } from 'aws-cdk-lib/aws-lambda-event-sources'
import type { RecordsRow } from '../functions/manifest.ts'
import type { Handler } from './handler.ts'
import type { GivenKafka, Stage } from './settings.ts'

/** How a broker is reached: one that somebody has, or the stack's own. */
export type Connection = Omit<GivenKafka, 'bootstrapServers'> & { bootstrapServers: string; arnOf: (kind: 'topic' | 'group', name: string) => string }

export const connectionOf = ({ bootstrapServers, ...kafka }: GivenKafka): Connection => ({
  ...kafka,
  bootstrapServers: bootstrapServers.join(','),
  arnOf: (kind, name) => `${kafka.clusterArn.replace(':cluster/', `:${kind}/`)}/${name}`,
})

/** What a record handler commits its offsets as, and where what it can never apply goes: the code's names for them, held together by a test. */
export const groupOf = (row: RecordsRow): string => `soma.${row.name}`
export const deadLettersOf = (row: RecordsRow): string => `${row.topic}.dlq`

/** Gives a handler that publishes or consumes the way to the broker and exactly what it does there; a record handler that is a function gets its event source. */
export function connectKafka(handler: Handler, kafka: Connection, stage: Stage): void {
  const { row, placed } = handler
  if (row.kind !== 'records' && !row.publishes) return
  for (const [name, value] of Object.entries(variablesOf(kafka))) handler.setVariable(name, value)
  if (kafka.auth.mechanism === 'iam') grantTopics(handler, kafka, placed.on === 'lambda')
  if (row.kind === 'records' && placed.on === 'lambda') addEventSource(handler, { row, fn: placed.fn, kafka, stage })
}

/** The handler that makes and enlarges the topics of a broker of the stack's own, at each deployment. */
export function mayMakeTopics(handler: Handler, kafka: Connection, topics: readonly string[]): void {
  for (const [name, value] of Object.entries(variablesOf(kafka))) handler.setVariable(name, value)
  handler.setVariable('KAFKA_MAKE_TOPICS', '1')
  allow(handler, ['kafka-cluster:Connect', 'kafka-cluster:DescribeCluster'], [kafka.clusterArn])
  const own = topics.map((name) => kafka.arnOf('topic', name))
  allow(handler, ['kafka-cluster:CreateTopic', 'kafka-cluster:AlterTopic', 'kafka-cluster:DescribeTopic', 'kafka-cluster:DescribeTopicDynamicConfiguration'], own)
}

function variablesOf({ bootstrapServers, auth }: Connection): Record<string, string> {
  const where = { KAFKA_BOOTSTRAP_SERVERS: bootstrapServers, KAFKA_SECURITY_PROTOCOL: 'SASL_SSL' }
  if (auth.mechanism === 'iam') return { ...where, KAFKA_SASL_MECHANISM: 'aws-msk-iam' }
  return { ...where, KAFKA_SASL_MECHANISM: 'scram-sha-512', KAFKA_SASL_USERNAME: auth.username }
}

/** What MSK's access control asks for, on this handler's topics and group alone. With SCRAM the broker's ACLs say who may do what. */
function grantTopics(handler: Handler, { clusterArn, arnOf }: Connection, byEventSource: boolean): void {
  const { row } = handler
  const consumed = row.kind === 'records' ? row : undefined
  const written = [...(row.publishes ?? []), ...(consumed ? [deadLettersOf(consumed)] : [])]
  const onCluster = ['kafka-cluster:Connect', 'kafka-cluster:WriteDataIdempotently', ...(consumed && byEventSource ? ['kafka-cluster:DescribeClusterDynamicConfiguration'] : [])]
  allow(handler, onCluster, [clusterArn])
  allow(
    handler,
    ['kafka-cluster:DescribeTopic', 'kafka-cluster:WriteData'],
    written.map((name) => arnOf('topic', name)),
  )
  if (!consumed) return
  allow(handler, ['kafka-cluster:DescribeTopic', 'kafka-cluster:ReadData'], [arnOf('topic', consumed.topic)])
  allow(handler, ['kafka-cluster:DescribeGroup', 'kafka-cluster:AlterGroup'], [arnOf('group', groupOf(consumed))])
}

/**
 * The topic as the function's event source. The function itself buries what can never be applied, and answers where to go on for what may be applied later. What is
 * left, such as a record that ends the process, is isolated by halving, and goes to the dead letters after the most tries there are: Lambda makes "for ever" ten of
 * them as soon as there is a destination, and a database may be away for longer.
 */
function addEventSource(handler: Handler, { row, fn, kafka, stage }: { row: RecordsRow; fn: LambdaFunction; kafka: Connection; stage: Stage }): void {
  const { clusterArn, auth, pollers } = kafka
  // CDK's own event source attaches a managed policy for every cluster of the account; these are what that of one cluster asks for
  allow(handler, ['kafka:DescribeClusterV2', 'kafka:GetBootstrapBrokers', ...(auth.mechanism === 'scram' ? ['kafka:ListScramSecrets'] : [])], [clusterArn])
  allow(handler, ['ec2:DescribeSecurityGroups', 'ec2:DescribeSubnets', 'ec2:DescribeVpcs'], ['*'])
  if (auth.mechanism === 'scram') {
    allow(handler, ['secretsmanager:DescribeSecret', 'secretsmanager:GetSecretValue'], [auth.secretArn])
    const region = Arn.split(auth.keyArn, ArnFormat.SLASH_RESOURCE_NAME).region
    allow(handler, ['kms:Decrypt'], [auth.keyArn], { StringEquals: { 'kms:ViaService': `secretsmanager.${region}.${Aws.URL_SUFFIX}` } })
  }
  new EventSourceMapping(handler, 'Topic', {
    target: fn,
    eventSourceArn: clusterArn,
    kafkaTopic: row.topic,
    kafkaConsumerGroupId: groupOf(row),
    startingPosition: StartingPosition.TRIM_HORIZON,
    batchSize: row.batchSize,
    reportBatchItemFailures: true,
    bisectBatchOnError: true,
    retryAttempts: 10_000,
    onFailure: new KafkaDlq(deadLettersOf(row)),
    provisionedPollerConfig: { minimumPollers: pollers.least, maximumPollers: pollers.most, pollerGroupName: `soma-${stage}` },
    ...(auth.mechanism === 'scram' ? { sourceAccessConfigurations: [{ type: SourceAccessConfigurationType.SASL_SCRAM_512_AUTH, uri: auth.secretArn }] } : {}),
  })
}

function allow(handler: Handler, actions: string[], resources: string[], conditions: Record<string, unknown> = {}): void {
  handler.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({ actions, resources, conditions }))
}
