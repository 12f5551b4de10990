import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { App, type CfnElement } from 'aws-cdk-lib'
import { Template } from 'aws-cdk-lib/assertions'
import { afterAll } from 'vitest'
import cdk from '../../cdk.json' with { type: 'json' }
import { armer, manifest } from '../../functions/manifest.ts'
import { type Compute, readContext } from '../../lib/context.ts'
import { type Settings, type Stage, settingsOf } from '../../lib/settings.ts'
import { SomaStack } from '../../lib/stack.ts'

// biome-ignore lint/suspicious/noExplicitAny: a CloudFormation template is read, not modelled
export type Json = Record<string, any>
export type Statement = { Action: string | string[]; Resource: unknown }

const functionsRoot = join(import.meta.dirname, '../../functions')
/** False while some function has no lambda.ts yet: templates are then made with empty entries, which nothing bundles. */
export const entriesExist = manifest.filter(({ hosts }) => hosts.includes('lambda')).every(({ name }) => existsSync(join(functionsRoot, name, 'lambda.ts')))
const temporaries: string[] = []
export function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'soma-stack-'))
  temporaries.push(folder)
  return folder
}
// In the test file that imports this one: thirteen bundles a run would fill the disk.
afterAll(() => {
  for (const folder of temporaries) rmSync(folder, { recursive: true })
})

function emptyEntries(): string {
  const root = temporary()
  writeFileSync(join(root, 'package-lock.json'), '{}')
  for (const { name } of [...manifest, armer]) {
    mkdirSync(join(root, 'functions', name), { recursive: true })
    writeFileSync(join(root, 'functions', name, 'lambda.ts'), '')
  }
  return join(root, 'functions')
}
export const entries = entriesExist ? functionsRoot : emptyEntries()

/** What a stack is told of services that somebody has: with `own` it makes them itself, as the stage says. */
const given = { database: null, kafka: null, redis: null, firewall: null } as const
export type SynthOptions = { stage?: Stage; compute?: Compute; context?: Record<string, unknown>; settings?: Partial<Settings>; bundle?: boolean; own?: boolean }
export type Synthesised = ReturnType<typeof synthesise>
const made = new Map<string, Synthesised>()

/** The stack as `cdk synth` makes it with cdk.json's context; each combination once a test file. Code is bundled only on request. */
export function synth(options: SynthOptions = {}): Synthesised {
  const key = JSON.stringify(options)
  const found = made.get(key) ?? synthesise(options)
  made.set(key, found)
  return found
}

function synthesise({ stage = 'dev', compute = 'lambda', context = {}, settings = {}, bundle = false, own = false }: SynthOptions) {
  const outdir = temporary()
  const app = new App({ outdir, context: { ...cdk.context, stage, compute, ...context, ...(bundle ? {} : { 'aws:cdk:bundling-stacks': [] }) } })
  const stack = new SomaStack(app, { context: readContext(app.node), functionsRoot: entries, settings: { ...settingsOf(stage), ...(own ? {} : given), ...settings } })
  const template = Template.fromStack(stack)
  const resources: Record<string, Json> = template.toJSON().Resources
  const alarms: Record<string, Json> = Template.fromStack(stack.alarms).toJSON().Resources
  const placed = (name: string) => {
    const handler = stack.handlers.get(name)
    if (!handler) throw new Error(`The stack has no handler ${name}.`)
    return handler.placed
  }
  const logicalId = (element: unknown) => stack.resolve((element as CfnElement).logicalId) as string
  return {
    stack,
    template,
    resources,
    alarms,
    outdir,
    logicalId,
    placed,
    /** The function or task definition of a handler. */
    properties(name: string): Json {
      const on = placed(name)
      return resources[logicalId((on.on === 'lambda' ? on.fn : on.definition).node.defaultChild)]?.Properties
    },
    environment(name: string): Record<string, unknown> {
      const { Environment, ContainerDefinitions } = this.properties(name)
      return Environment?.Variables ?? Object.fromEntries(ContainerDefinitions[0].Environment.map((variable: Json) => [variable.Name, variable.Value]))
    },
    /** What the handler's own role may do. */
    statements(name: string): Statement[] {
      const on = placed(name)
      const role = logicalId((on.on === 'lambda' ? on.fn.role : on.definition.taskRole)?.node.defaultChild)
      const policies = ofType(resources, 'AWS::IAM::Policy').filter(([, { Properties }]) => JSON.stringify(Properties.Roles) === JSON.stringify([{ Ref: role }]))
      return policies.flatMap(([, { Properties }]) => Properties.PolicyDocument.Statement)
    },
  }
}

export const ofType = (resources: Record<string, Json>, type: string): [string, Json][] => Object.entries(resources).filter(([, resource]) => resource.Type === type)
export const asList = <T>(value: T | T[]): T[] => (Array.isArray(value) ? value : [value])
