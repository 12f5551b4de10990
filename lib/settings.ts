import { RetentionDays } from 'aws-cdk-lib/aws-logs'
import * as z from 'zod'
import { manifest } from '../functions/manifest.ts'
import { dev } from './stages/dev.ts'
import { prod } from './stages/prod.ts'
import { staging } from './stages/staging.ts'

/** Null leaves a kind unreserved. Reserving needs an account whose Lambda quota keeps 100 executions free for all others. */
const ReservedConcurrency = z.strictObject({ http: z.int().positive().nullable(), records: z.int().positive().nullable(), job: z.int().positive().nullable() })

/** Provisioned pollers of each event source, which are paid by the hour: only with them Lambda takes partial answers. */
const Pollers = z.strictObject({ least: z.int().min(1).max(200), most: z.int().min(1).max(2000) })

const hostName = z.string().regex(/^([a-z0-9-]+\.)+[a-z]{2,}$/, 'a name is such as memory.example.com')
const secretVariables = new Set(manifest.flatMap((row) => [...row.secrets, ...(row.newDatabaseSecrets ?? [])]))

const clusterArn = /^arn:aws[\w-]*:kafka:[\w-]+:\d{12}:cluster\/[\w-]+\/[0-9a-f-]+(-s?\d+)?$/

/** An MSK cluster. With `scram` the event sources of functions read username and password from `secretArn` (MSK's own form, encrypted by the key), tasks from `<secretPrefix>/KAFKA_SASL_PASSWORD`. */
const GivenKafka = z.strictObject({
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
  pollers: Pollers,
})
export type GivenKafka = z.infer<typeof GivenKafka>

/** An MSK cluster of three brokers that the stack makes, with IAM; the topics too. */
const MadeKafka = z.strictObject({
  type: z.string().regex(/^kafka\.[a-z0-9]+\.[a-z0-9]+$/, 'a broker is of a type such as kafka.m7g.large'),
  /** Of each broker. */
  storageGb: z.int().min(1).max(16_384),
  pollers: Pollers,
})
export type MadeKafka = z.infer<typeof MadeKafka>

export const Settings = z.strictObject({
  logRetentionDays: z.enum(RetentionDays),
  /** Scales `memoryMb` of every manifest row. */
  memoryMultiplier: z.number().min(0.25).max(8),
  reservedConcurrency: ReservedConcurrency,
  /** What becomes of logs and of the backups' bucket when the stack is deleted; `retain` also protects the stack and its load balancer from deletion. */
  removalPolicy: z.enum(['destroy', 'retain']),
  /** For so many days nobody without a right of his own can remove a backup for good, also who has the rights of all handlers (S3 object lock, mode GOVERNANCE). Null: the bucket has no locks, and gets none later. */
  backupLockDays: z.int().min(1).max(3650).nullable(),
  architecture: z.enum(['arm64', 'x86_64']),
  /** A handler's secret X is the Secrets Manager secret `<secretPrefix>/X`. */
  secretPrefix: z.string().regex(/^[\w/+=.@-]*\w$/, 'a secret prefix ends with a letter or a digit, without the slash'),
  /** Fargate tasks of each service: as many as their CPU asks for, within these. */
  tasks: z
    .strictObject({ least: z.int().min(0).max(100), most: z.int().min(1).max(100) })
    .refine(({ least, most }) => least <= most, 'the least number of tasks is at most the most'),
  /**
   * The services behind the load balancer are replaced as a whole: the new version beside the old one, which is kept for so many minutes after the switch; an alarm within them takes it back. Null: task by
   * task. Below three minutes no alarm would be raised in time; CloudFormation waits for three hours at most.
   */
  blueGreen: z.strictObject({ bakeMinutes: z.int().min(3).max(120) }).nullable(),
  /** True keeps the load balancer inside the VPC. */
  internalLoadBalancer: z.boolean(),
  /**
   * Aurora PostgreSQL that the stack makes, with the logins, all keys and tokens, and migrated by each deployment; null: yours, and every secret is at `<secretPrefix>/…`. Capacity is in ACU (2 GiB and
   * their CPU); from 0 on it pauses when nothing has asked it for five minutes. `backupDays` is how far back it can be restored to a second; every `rotateDays` the logins get
   * new passwords, null: never by itself.
   */
  database: z
    .strictObject({
      capacity: z.strictObject({ least: z.number().multipleOf(0.5).min(0).max(256), most: z.number().multipleOf(0.5).min(1).max(256) }),
      readers: z.int().min(0).max(15),
      proxy: z.boolean(),
      backupDays: z.int().min(1).max(35),
      rotateDays: z.int().min(1).max(365).nullable(),
    })
    .refine(({ capacity }) => capacity.least <= capacity.most, 'the least capacity is at most the most')
    .refine(
      ({ capacity, proxy }) => !(proxy && capacity.least === 0),
      'a proxy keeps its connections, so that the database would never pause: take the least capacity from 0.5 on, or no proxy',
    )
    .nullable(),
  /** The broker between the outbox and the record handlers; null: the drain hands changes over itself. */
  kafka: z.union([GivenKafka, MadeKafka]).nullable(),
  /** What counts rate limits over all functions and tasks together: ElastiCache that the stack makes, or the Redis of the secret `<secretPrefix>/REDIS_URL`; null: each counts by itself. */
  redis: z
    .union([
      z.literal('given'),
      z.strictObject({ nodeType: z.string().regex(/^cache\.[a-z0-9]+\.[a-z0-9]+$/, 'a node is of a type such as cache.t4g.micro'), replicas: z.int().min(0).max(5) }),
    ])
    .nullable(),
  /** True where all rests while nobody asks (lib/size.ts): jobs tick four times a day, nothing is measured by the minute, and there are no tasks. */
  rests: z.boolean(),
  /** Variables that every handler gets, as README lists them; none that holds a secret. */
  variables: z
    .record(z.string().regex(/^[A-Z][A-Z0-9_]*$/, 'a variable is of capital letters, digits and underscores'), z.string())
    .refine((variables) => !Object.keys(variables).some((name) => secretVariables.has(name)), 'a secret goes to Secrets Manager, and never into a variable'),
  /** The name callers use, and its certificate of ACM in the stack's region; behind `lambda` and `mixed` what streams has a name of its own. Null: AWS' own name, and plain HTTP inside the VPC at the balancer. */
  domain: z
    .strictObject({
      name: hostName,
      streamName: hostName.optional(),
      certificateArn: z.string().regex(/^arn:aws[\w-]*:acm:[\w-]+:\d{12}:certificate\/[\w-]+$/, 'the ARN of a certificate is arn:aws:acm:<region>:<account>:certificate/<id>'),
    })
    .nullable(),
  /** Requests a second over all routes of the HTTP API, and how many at once; what is more is answered 429 before it costs anything. */
  throttle: z.strictObject({ perSecond: z.int().min(1).max(100_000), burst: z.int().min(1).max(100_000) }),
  /** A web application firewall before the load balancer, with so many requests of one address in five minutes; null: none. */
  firewall: z.strictObject({ perFiveMinutes: z.int().min(100).max(20_000_000) }).nullable(),
  /** Who is told of alarms, by e-mail; each address has to confirm. */
  alarmEmails: z.array(z.email()),
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
