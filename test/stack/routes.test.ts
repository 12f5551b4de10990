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

  /** What the balancer does: rules by priority, all conditions of a rule, `*` over any characters, slashes too. */
  function resolve(method: string, path: string): string | undefined {
    const matches = (pattern: string) =>
      new RegExp(
        `^${pattern
          .replace(/[.+^${}()|[\]\\]/g, '\\$&')
          .replaceAll('*', '.*')
          .replaceAll('?', '.')}$`,
      ).test(path)
    const hit = rules.find(({ Conditions }) =>
      Conditions.every((condition: Json) => condition.HttpRequestMethodConfig?.Values.includes(method) ?? condition.PathPatternConfig.Values.some(matches)),
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

  test('has rules within the limits: five values and five wildcards a rule, a hundred rules, each priority once', () => {
    for (const { Conditions } of rules) {
      const values = Conditions.flatMap((condition: Json) => (condition.PathPatternConfig ?? condition.HttpRequestMethodConfig).Values)
      expect(values.length).toBeLessThanOrEqual(5)
      expect(values.join('').split('*').length - 1).toBeLessThanOrEqual(5)
    }
    expect(rules.length).toBeLessThanOrEqual(100)
    expect(rules.map(({ Priority }) => Priority)).toEqual(rules.map((_, index) => index + 1))
  })

  test('is inside the VPC', () => {
    const [balancer] = ofType(resources, 'AWS::ElasticLoadBalancingV2::LoadBalancer')
    expect(balancer?.[1].Properties.Scheme).toBe('internal')
    expect(JSON.stringify(ofType(resources, 'AWS::EC2::SecurityGroup').map(([, { Properties }]) => Properties.SecurityGroupIngress))).not.toContain('0.0.0.0/0')
  })
})

test('a specific path comes before a general one, whatever the order of the manifest', () => {
  const paths = balancerRules([...rows].reverse()).map(({ path }) => path)
  expect(paths).toEqual(balancerRules(rows).map(({ path }) => path))
  expect(paths.indexOf('/v1/memories/list')).toBeLessThan(paths.indexOf('/v1/memories/*'))
  expect(paths.indexOf('/v1/memories/*/history')).toBeLessThan(paths.indexOf('/v1/memories/*'))
})
