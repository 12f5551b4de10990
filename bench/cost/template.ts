import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { App } from 'aws-cdk-lib'
import { Template } from 'aws-cdk-lib/assertions'
import cdk from '../../cdk.json' with { type: 'json' }
import { readContext } from '../../lib/context.ts'
import { SomaStack } from '../../lib/stack.ts'
import { type Deployment, daysAMonth } from './assumptions.ts'

// biome-ignore lint/suspicious/noExplicitAny: a CloudFormation template is read, not modelled
export type Properties = Record<string, any>
export type Resource = { id: string; type: string; properties: Properties }
export type Resources = readonly Resource[]

const functionsRoot = join(import.meta.dirname, '../../functions')

/** What CloudFormation would make, alarms included: the real stack, of which nothing is bundled. */
export function resourcesOf({ stage, compute, size }: Deployment): Resources {
  const outdir = mkdtempSync(join(tmpdir(), 'soma-cost-'))
  try {
    const app = new App({ outdir, context: { ...cdk.context, stage, compute, ...(size ? { size } : {}), 'aws:cdk:bundling-stacks': [] } })
    const stack = new SomaStack(app, { context: readContext(app.node), functionsRoot })
    return [stack, stack.alarms].flatMap((one) =>
      Object.entries(Template.fromStack(one).toJSON().Resources as Record<string, { Type: string; Properties?: Properties }>).map(
        ([id, { Type, Properties = {} }]): Resource => ({ id, type: Type, properties: Properties }),
      ),
    )
  } finally {
    rmSync(outdir, { recursive: true })
  }
}

export const ofType = (resources: Resources, type: string): Resource[] => resources.filter((resource) => resource.type === type)

/** The resource that a `Ref` or `Fn::GetAtt` names. @throws Error */
export function referred(resources: Resources, reference: Properties): Resource {
  const id = reference.Ref ?? reference['Fn::GetAtt']?.[0]
  const found = resources.find((resource) => resource.id === id)
  if (!found) throw new Error(`The template has no resource ${JSON.stringify(reference)}.`)
  return found
}

/** How often a month a rule of EventBridge fires: `rate(5 minutes)`, or `cron(…)` of given hours. @throws Error for another form */
export function firesAMonth({ properties: { ScheduleExpression: schedule } }: Resource): number {
  const [, every, unit = ''] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(schedule) ?? []
  if (every) return (daysAMonth * ({ minute: 1440, hour: 24, day: 1 }[unit] ?? Number.NaN)) / Number(every)
  const [, hours] = /^cron\(0 (\*\/\d+|\d+) \* \* \? \*\)$/.exec(schedule) ?? []
  if (!hours) throw new Error(`The cost model cannot read the schedule ${JSON.stringify(schedule)}.`)
  return hours.startsWith('*/') ? (daysAMonth * 24) / Number(hours.slice(2)) : daysAMonth
}
