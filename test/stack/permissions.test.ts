import { describe, expect, test } from 'vitest'
import { manifest } from '../../functions/manifest.ts'
import { computeNames } from '../../lib/context.ts'
import { functionVariable } from '../../lib/handler.ts'
import { targetOf } from '../../lib/placement.ts'
import { asList, ofType, type Statement, synth } from './synth.ts'

const allows = (statements: Statement[], action: string) => statements.filter(({ Action }) => asList(Action).includes(action)).flatMap(({ Resource }) => asList(Resource))
const secretNames = (resources: unknown[]) => resources.map((resource) => /:secret:soma\/dev\/([A-Z_]+)-\?{6}"/.exec(JSON.stringify(resource))?.[1])
const allSecrets = new Set(manifest.flatMap((row) => row.secrets))

describe.each(computeNames)('compute %s', (compute) => {
  const synthesised = synth({ compute })

  test.each(manifest)('$name reads exactly the secrets of its row, and knows them by ARN', ({ name, secrets }) => {
    expect(secretNames(allows(synthesised.statements(name), 'secretsmanager:GetSecretValue')).sort()).toEqual([...secrets].sort())
    const environment = synthesised.environment(name)
    const variables = Object.keys(environment).filter((variable) => variable.endsWith('_SECRET_ARN'))
    expect(variables.sort()).toEqual(secrets.map((secret) => `${secret}_SECRET_ARN`).sort())
    for (const secret of secrets) expect(JSON.stringify(environment[`${secret}_SECRET_ARN`])).toContain(`:secret:soma/dev/${secret}"`)
  })

  test.each(manifest)('$name invokes exactly the functions its row names', ({ name, invokes = [] }) => {
    const reachable = manifest.filter((row) => invokes.includes(row.name) && targetOf(row, compute) === 'lambda').map((row) => row.name)
    const functionId = (target: string) => {
      const placed = synthesised.placed(target)
      return placed.on === 'lambda' ? synthesised.logicalId(placed.fn.node.defaultChild) : undefined
    }
    const granted = allows(synthesised.statements(name), 'lambda:InvokeFunction').map((resource) => /"Fn::GetAtt":\["(\w+)","Arn"\]/.exec(JSON.stringify(resource))?.[1])
    expect(new Set(granted)).toEqual(new Set(reachable.map(functionId)))
    const named = Object.entries(synthesised.environment(name)).filter(([variable]) => variable.startsWith('FUNCTION_'))
    expect(Object.fromEntries(named)).toEqual(Object.fromEntries(reachable.map((target) => [functionVariable(target), { Ref: functionId(target) }])))
  })

  test.each(manifest)('$name may do nothing besides', ({ name }) => {
    const actions = new Set(synthesised.statements(name).flatMap(({ Action }) => asList(Action)))
    expect([...actions].filter((action) => !['secretsmanager:GetSecretValue', 'secretsmanager:DescribeSecret', 'lambda:InvokeFunction'].includes(action))).toEqual([])
  })

  test('no variable holds a secret itself', () => {
    for (const { name } of manifest) expect(Object.keys(synthesised.environment(name)).filter((variable) => allSecrets.has(variable))).toEqual([])
    expect(JSON.stringify(synthesised.resources)).not.toContain('{{resolve:secretsmanager')
  })

  test('no policy names every resource, but for the ECR token, which belongs to no repository', () => {
    const statements = ofType(synthesised.resources, 'AWS::IAM::Policy').flatMap(([, { Properties }]) => Properties.PolicyDocument.Statement as Statement[])
    const wide = statements.filter(({ Action, Resource }) => asList(Resource).includes('*') || asList(Action).some((action) => action.includes('*')))
    expect(new Set(wide.flatMap(({ Action }) => asList(Action)))).toEqual(new Set(compute === 'lambda' ? [] : ['ecr:GetAuthorizationToken']))
  })
})
