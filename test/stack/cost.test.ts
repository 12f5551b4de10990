import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { deployments, measured, nameOf, profiles } from '../../bench/cost/assumptions.ts'
import { stacks } from '../../bench/cost/cost.ts'
import { documentOf } from '../../bench/cost/document.ts'
import { free, idleLines, total, unknownTypes } from '../../bench/cost/idle.ts'
import { dollarsOf } from '../../bench/cost/prices.ts'
import type { Resource, Resources } from '../../bench/cost/template.ts'
import { billOf, sweepsOf } from '../../bench/cost/usage.ts'

const made = stacks()
const stack = (name: string): Resources => made.get(name) ?? []
const prod = stack('prod, lambda')
const idle = (resources: Resources) => total(idleLines(resources))
const costOf = (what: string, resources: Resources) => total(idleLines(resources).filter((line) => line.what === what))

describe('the cost model', () => {
  test('is the committed docs/cost.md: after a change run `npm run bench -- cost`', () => {
    expect(documentOf(made) === readFileSync('docs/cost.md', 'utf8')).toBe(true)
  })

  test('knows of every type of resource in every stack what it costs while nobody asks, or why nothing', () => {
    for (const one of deployments) expect([nameOf(one), unknownTypes(stack(nameOf(one)))]).toEqual([nameOf(one), []])
    expect(() => idleLines([...prod, { id: 'Nat', type: 'AWS::EC2::NatGateway', properties: {} }])).toThrow('AWS::EC2::NatGateway')
  })

  test('lists nothing as free that no stack has', () => {
    const types = new Set([...made.values()].flat().map(({ type }) => type))
    const unused = Object.keys(free).filter((name) => ![...types].some((type) => (name.endsWith('*') ? type.startsWith(name.slice(0, -1)) : type === name)))
    expect(unused).toEqual([])
  })

  test('an endpoint less is paid less, by its zones', () => {
    const paid = (one: Resource) => one.type === 'AWS::EC2::VPCEndpoint' && one.properties.VpcEndpointType === 'Interface'
    const first = prod.find(paid)
    const fewer = prod.filter((one) => one !== first)
    expect(first?.properties.SubnetIds).toHaveLength(3)
    expect(idle(prod) - idle(fewer)).toBeCloseTo(3 * 730 * dollarsOf('endpoint'), 6)
  })

  test('event sources of one group share a unit of pollers, and others do not', () => {
    const alone = prod.map((one) =>
      one.type === 'AWS::Lambda::EventSourceMapping'
        ? { ...one, properties: { ...one.properties, ProvisionedPollerConfig: { ...one.properties.ProvisionedPollerConfig, PollerGroupName: one.id } } }
        : one,
    )
    const unit = 730 * dollarsOf('pollerUnit')
    expect([costOf('provisioned pollers', prod), costOf('provisioned pollers', alone)]).toEqual([unit, 2 * unit])
  })

  test('the proxy is paid as eight ACU at least, and a database that may pause is awake where a job ticks each minute', () => {
    expect(costOf('RDS Proxy', prod)).toBeCloseTo(8 * 730 * dollarsOf('proxy'), 6)
    const [small, dev] = ['dev, size=small', 'dev, lambda'].map((name) => total(idleLines(stack(name)).filter(({ what }) => what.startsWith('Aurora'))))
    expect(dev).toBeCloseTo(730 * dollarsOf('acu'), 6)
    expect(small).toBeLessThan(3)
  })

  test('a bill grows with what is done, and has the idle cost in it', () => {
    for (const profile of profiles) {
      const resources = stack(nameOf(profile.on))
      const bill = billOf(resources, profile)
      expect(bill.total).toBeGreaterThan(idle(resources))
      for (const unit of ['stores', 'recalls', 'memories'] as const) expect(billOf(resources, { ...profile, [unit]: 2 * profile[unit] }).total).toBeGreaterThan(bill.total)
    }
  })

  test('sweeps are paid where a stage rests, by the minutes that have a store, and not by the store', () => {
    const small = stack('dev, size=small')
    const of = (stores: number) => sweepsOf(small, { stores, awakeHours: 100 })
    expect([of(0), sweepsOf(prod, { stores: 1_000_000, awakeHours: 730 })]).toEqual([0, 0])
    expect(of(1)).toBeGreaterThan(4 * (dollarsOf('schedules') / 1e6))
    expect(of(6_000)).toBeGreaterThan(of(60))
    expect(of(1_000_000)).toBe(of(6_000))
  })

  test('what it calls measured stands in the documents', () => {
    const missing = Object.values(measured).filter(({ file, text }) => !readFileSync(file, 'utf8').includes(text))
    expect(missing).toEqual([])
  })
})
