import { RetentionDays } from 'aws-cdk-lib/aws-logs'
import * as z from 'zod'
import { dev } from './stages/dev.ts'
import { prod } from './stages/prod.ts'
import { staging } from './stages/staging.ts'

/** Null leaves a kind unreserved. Reserving needs an account whose Lambda quota keeps 100 executions free for all others. */
const ReservedConcurrency = z.strictObject({ http: z.int().positive().nullable(), records: z.int().positive().nullable(), job: z.int().positive().nullable() })

const clusterArn = /^arn:aws[\w-]*:kafka:[\w-]+:\d{12}:cluster\/[\w-]+\/[0-9a-f-]+(-s?\d+)?$/

/** An MSK cluster. With `scram` the event sources of functions read username and password from `secretArn` (MSK's own form, encrypted by the key), tasks from `<secretPrefix>/KAFKA_SASL_PASSWORD`. */
const Kafka = z.strictObject({
  clusterArn: z.string().regex(clusterArn, 'the ARN of an MSK cluster is arn:aws:kafka:<region>:<account>:cluster/<name>/<id>'),
  bootstrapServers: z.array(z.string().regex(/^[\w.-]+:\d{1,5}$/, 'a bootstrap server is host:port')).min(1),
  auth: z.discriminatedUnion('mechanism', [
    z.strictObject({ mechanism: z.literal('iam') }),
    z.strictObject({
      mechanism: z.literal('scram'),
      username: z.string().min(1),
      secretArn: z.string().regex(/^arn:aws[\w-]*:secretsmanager:[\w-]+:\d{12}:secret:AmazonMSK_.+-\w{6}$/, 'MSK takes the full ARN of a secret whose name begins with AmazonMSK_'),
      keyArn: z.string().regex(/^arn:aws[\w-]*:kms:[\w-]+:\d{12}:key\/[\w-]+$/, 'the ARN of a key is arn:aws:kms:<region>:<account>:key/<id>'),
    }),
  ]),
  /** Provisioned pollers of each event source, which are paid by the hour: only with them Lambda takes partial answers. */
  pollers: z.strictObject({ least: z.int().min(1).max(200), most: z.int().min(1).max(2000) }),
})
export type Kafka = z.infer<typeof Kafka>

export const Settings = z.strictObject({
  logRetentionDays: z.enum(RetentionDays),
  /** Scales `memoryMb` of every manifest row. */
  memoryMultiplier: z.number().min(0.25).max(8),
  reservedConcurrency: ReservedConcurrency,
  /** What becomes of logs and of the backups' bucket when the stack is deleted; `retain` also protects the stack and its load balancer from deletion. */
  removalPolicy: z.enum(['destroy', 'retain']),
  architecture: z.enum(['arm64', 'x86_64']),
  /** A handler's secret X is the Secrets Manager secret `<secretPrefix>/X`. */
  secretPrefix: z.string().regex(/^[\w/+=.@-]*\w$/, 'a secret prefix ends with a letter or a digit, without the slash'),
  /** Fargate tasks per service. */
  desiredTaskCount: z.int().min(0).max(100),
  /** True keeps the load balancer inside the VPC. */
  internalLoadBalancer: z.boolean(),
  /** The broker between the outbox and the record handlers; null: the drain hands changes over itself. */
  kafka: Kafka.nullable(),
  /** Whether the secret `<secretPrefix>/REDIS_URL` is there: rate limits are then counted over all functions and tasks together. */
  redis: z.boolean(),
  /** Milvus beside Postgres; null: the vectors are searched in Postgres. With `token` it is told the secret `<secretPrefix>/MILVUS_TOKEN`. */
  milvus: z
    .strictObject({
      host: z.string().regex(/^[\w.-]+$/, 'a host is a name or an address, without scheme and port'),
      port: z.int().min(1).max(65535),
      tls: z.boolean(),
      token: z.boolean(),
    })
    .nullable(),
  /** Whether the secret `<secretPrefix>/EMBEDDING_NEXT_API_KEY` is there: the key of the model that is being introduced. */
  nextEmbedderKey: z.boolean(),
  /** Who takes the handlers' spans, by OTLP over HTTP; null: nobody. */
  otlpEndpoint: z.url({ protocol: /^https?$/, error: 'an OTLP endpoint is a URL, such as http://collector.internal:4318' }).nullable(),
})
export type Settings = z.infer<typeof Settings>
export type StageFile = z.input<typeof Settings>

const stages = { dev, staging, prod }
export const stageNames = ['dev', 'staging', 'prod'] as const satisfies readonly (keyof typeof stages)[]
export type Stage = (typeof stageNames)[number]

/** The settings of one stage. @throws ZodError when its file is wrong */
export const settingsOf = (stage: Stage): Settings => Settings.parse(stages[stage])
