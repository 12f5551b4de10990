import { describe, expect, test } from 'vitest'
import { manifest } from '../../functions/manifest.ts'
import { computeNames } from '../../lib/context.ts'
import { balancerRules } from '../../lib/rules.ts'
import { type Json, ofType, synth } from './synth.ts'

const rows = manifest.filter((row) => row.kind === 'http')
const routes = rows.flatMap(({ name, routes }) => routes.map((route) => ({ ...route, owner: name })))

describe.each(computeNames.filter((compute) => compute !== 'container'))('the HTTP API of compute %s', (compute) => {
  const { resources, placed, logicalId } = synth({ compute })
  const ownerOf = (route: Json): string | undefined => {
    const integration = resources[JSON.stringify(route.Target).match(/"Ref":"(\w+)"/)?.[1] ?? '']?.Properties
    expect(integration).toMatchObject({ PayloadFormatVersion: '2.0', IntegrationType: 'AWS_PROXY' })
    const invoked = JSON.stringify(integration.IntegrationUri)
    return rows.find(({ name }) => {
      const on = placed(name)
      return on.on === 'lambda' && invoked.includes(`"${logicalId(on.fn.node.defaultChild)}"`)
    })?.name
  }

  test('has each route of the manifest exactly once, at its owner', () => {
    const found = ofType(resources, 'AWS::ApiGatewayV2::Route').map(([, { Properties }]) => `${Properties.RouteKey} ${ownerOf(Properties)}`)
    const onLambda = routes.filter(({ owner }) => placed(owner).on === 'lambda')
    expect(found.sort()).toEqual(onLambda.map(({ method, path, owner }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')} ${owner}`).sort())
  })
})

describe('the load balancer', () => {
  const { resources, placed, logicalId } = synth({ compute: 'container' })
  const rules = ofType(resources, 'AWS::ElasticLoadBalancingV2::ListenerRule')
    .map(([, { Properties }]) => Properties)
    .sort((a, b) => a.Priority - b.Priority)
  const owners = new Map(
    rows.map(({ name }) => {
      const on = placed(name)
      const group = on.on === 'task' ? on.definition.node.scope?.node.findChild('Targets').node.findChild('Resource') : undefined
      return [logicalId(group), name]
    }),
  )

  /** What the balancer does: rules by priority, all conditions of a rule, one value of each. */
  function resolve(method: string, path: string): string | undefined {
    const hit = rules.find(({ Conditions }) =>
      Conditions.every(
        ({ HttpRequestMethodConfig: methods, PathPatternConfig: paths }: Json) =>
          methods?.Values.includes(method) ?? paths.RegexValues.some((one: string) => new RegExp(one).test(path)),
      ),
    )
    return hit && owners.get(hit.Actions[0].TargetGroupArn.Ref)
  }

  test.each(routes)('$method $path ends at $owner', ({ method, path, owner }) => {
    for (const id of ['01JD3Y7ZJ2', 'list', 'bulk', 'history']) {
      // A path that is also somebody's static route with this method belongs to that route.
      const concrete = path.replace(/:\w+/g, id)
      const exact = routes.find((route) => route.method === method && route.path === concrete)
      expect(resolve(method, concrete)).toBe(exact?.owner ?? owner)
    }
  })

  test('answers other paths and methods itself', () => {
    expect(resolve('GET', '/v1/memories')).toBeUndefined()
    expect(resolve('DELETE', '/v1/recall')).toBeUndefined()
    expect(resolve('GET', '/')).toBeUndefined()
  })

  test('has a rule a service, within the limits: three values a condition and five a rule, 128 characters an expression and none of what the balancer does not know, each priority once', () => {
    expect(rules.length).toBe(rows.length)
    for (const { Conditions } of rules) {
      const conditions: string[][] = Conditions.map((condition: Json) => condition.PathPatternConfig?.RegexValues ?? condition.HttpRequestMethodConfig.Values)
      for (const values of conditions) expect(values.length).toBeLessThanOrEqual(3)
      expect(conditions.flat().length).toBeLessThanOrEqual(5)
      for (const value of conditions.flat()) {
        expect(value.length).toBeLessThanOrEqual(128)
        expect(value).not.toMatch(/\(\?|\\[1-9pk]/)
      }
    }
    const priorities: number[] = rules.map(({ Priority }) => Priority)
    expect(new Set(priorities).size).toBe(rows.length)
    for (const priority of priorities) expect(priority).toBeLessThanOrEqual(50_000)
  })

  test('is inside the VPC', () => {
    const [balancer] = ofType(resources, 'AWS::ElasticLoadBalancingV2::LoadBalancer')
    expect(balancer?.[1].Properties.Scheme).toBe('internal')
    expect(JSON.stringify(ofType(resources, 'AWS::EC2::SecurityGroup').map(([, { Properties }]) => Properties.SecurityGroupIngress))).not.toContain('0.0.0.0/0')
  })
})

test('the rule of a service stays as it is when another comes or goes, or they change places', () => {
  expect(balancerRules([...rows].reverse())).toEqual(balancerRules(rows))
  expect(balancerRules(rows.slice(1))).toEqual(balancerRules(rows).filter(({ owner }) => owner !== rows[0]?.name))
})

test('more routes than one rule holds are refused in a sentence', () => {
  const [row] = rows
  const routes = Array.from({ length: 30 }, (_, index) => ({ method: 'GET' as const, path: `/v1/a-rather-long-name-${index}` }))
  expect(() => balancerRules(row ? [{ ...row, routes }] : [])).toThrow(/The routes of store are too many for one rule/)
})
