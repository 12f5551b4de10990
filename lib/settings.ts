import { RetentionDays } from 'aws-cdk-lib/aws-logs'
import * as z from 'zod'
import { dev } from './stages/dev.ts'
import { prod } from './stages/prod.ts'
import { staging } from './stages/staging.ts'

/** Null leaves a kind unreserved. Reserving needs an account whose Lambda quota keeps 100 executions free for all others. */
const ReservedConcurrency = z.strictObject({ http: z.int().positive().nullable(), records: z.int().positive().nullable(), job: z.int().positive().nullable() })

export const Settings = z.strictObject({
  logRetentionDays: z.enum(RetentionDays),
  /** Scales `memoryMb` of every manifest row. */
  memoryMultiplier: z.number().min(0.25).max(8),
  reservedConcurrency: ReservedConcurrency,
  /** What becomes of logs when the stack is deleted; `retain` also protects the stack and its load balancer from deletion. */
  removalPolicy: z.enum(['destroy', 'retain']),
  architecture: z.enum(['arm64', 'x86_64']),
  /** A handler's secret X is the Secrets Manager secret `<secretPrefix>/X`. */
  secretPrefix: z.string().regex(/^[\w/+=.@-]*\w$/, 'a secret prefix ends with a letter or a digit, without the slash'),
  /** Fargate tasks per service. */
  desiredTaskCount: z.int().min(0).max(100),
  /** True keeps the load balancer inside the VPC. */
  internalLoadBalancer: z.boolean(),
})
export type Settings = z.infer<typeof Settings>
export type StageFile = z.input<typeof Settings>

const stages = { dev, staging, prod }
export const stageNames = ['dev', 'staging', 'prod'] as const satisfies readonly (keyof typeof stages)[]
export type Stage = (typeof stageNames)[number]

/** The settings of one stage. @throws ZodError when its file is wrong */
export const settingsOf = (stage: Stage): Settings => Settings.parse(stages[stage])
