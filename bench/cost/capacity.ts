import { assumed, daysAMonth, hoursAMonth } from './assumptions.ts'
import { dollarsOf } from './prices.ts'
import { firesAMonth, ofType, type Resource, type Resources } from './template.ts'

const cluster = (all: Resources) => ofType(all, 'AWS::RDS::DBCluster')[0]?.properties.ServerlessV2ScalingConfiguration

/** The instances that are as large as the writer: it, and the readers of the first two tiers, to which a failover goes. */
export const instancesOf = (all: Resources): number => ofType(all, 'AWS::RDS::DBInstance').filter(({ properties }) => (properties.PromotionTier ?? 1) <= 1).length

/** ACU of an instance that is awake and has nothing to do. */
export const awakeAcu = (all: Resources): number => Math.max(assumed.leastAwakeAcu.value, cluster(all)?.MinCapacity ?? 0)
export const mostAcu = (all: Resources): number => cluster(all)?.MaxCapacity ?? 0

/** Hours a month that the database is awake while nobody asks: a job that ticks more often than it may pause keeps it up. */
export function awakeHours(all: Resources): number {
  const { MinCapacity: least = 0, SecondsUntilAutoPause: pause = 300 } = cluster(all) ?? {}
  const most = Math.max(0, ...ofType(all, 'AWS::Events::Rule').map(firesAMonth))
  if (least > 0 || most >= (daysAMonth * 86_400) / pause) return hoursAMonth
  return Math.min(hoursAMonth, (most * assumed.wakeMinutes.value) / 60)
}

/** A task of Fargate: its vCPU, and dollars an hour. */
export function taskOf({ properties: { Cpu, Memory } }: Resource): { vcpu: number; dollarsAnHour: number } {
  const vcpu = Number(Cpu) / 1024
  return { vcpu, dollarsAnHour: vcpu * dollarsOf('fargateCpu') + (Number(Memory) / 1024) * dollarsOf('fargateMemory') }
}

/** Dollars of one call of a function that takes so many milliseconds: request, memory, starts anew, log. */
export function invocation({ properties: { MemorySize = 128 } }: Resource, milliseconds: number): number {
  const seconds = milliseconds / 1000 + assumed.coldShare.value * assumed.coldSeconds.value
  const reads = assumed.coldShare.value * assumed.coldSecrets.value * (dollarsOf('secretCalls') + dollarsOf('keyRequests'))
  return (dollarsOf('lambdaRequests') + reads) / 1e6 + seconds * (MemorySize / 1024) * dollarsOf('lambdaSecond') + logged(assumed.logBytes.value + assumed.lambdaLogBytes.value)
}

/** Dollars of taking so many bytes of log in. */
export const logged = (bytes: number): number => (bytes / 1e9) * dollarsOf('logs')

/** The function or the task definition of a handler. @throws Error where the stack has neither */
export function placedOf(all: Resources, { name, summary }: { name: string; summary: string }): { on: 'lambda' | 'task'; resource: Resource } {
  const fn = ofType(all, 'AWS::Lambda::Function').find(({ properties }) => properties.Description === summary)
  if (fn) return { on: 'lambda', resource: fn }
  const task = ofType(all, 'AWS::ECS::TaskDefinition').find(({ properties }) => properties.ContainerDefinitions[0].Name === name)
  if (!task) throw new Error(`The stack has neither a function nor a task of the handler ${name}.`)
  return { on: 'task', resource: task }
}
