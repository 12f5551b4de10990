import { describe, expect, test } from 'vitest'
import { manifest } from '../../functions/manifest.ts'
import { ContextError, computeNames } from '../../lib/context.ts'
import { asList, ofType, synth } from './synth.ts'

const invoked = (synthesised: ReturnType<typeof synth>, name: string) =>
  synthesised.statements(name).flatMap(({ Action, Resource }) => (asList(Action).includes('bedrock:InvokeModel') ? asList(Resource) : []))
const text = (resources: unknown[]) => resources.map((one) => JSON.stringify(one))
const titan = { bedrockModel: 'amazon.titan-embed-text-v2:0', embeddingDim: '1024' }

describe.each(computeNames)('with a model of Bedrock and compute %s', (compute) => {
  const synthesised = synth({ compute, context: titan })

  test.each(manifest)('$name knows the model, and may invoke it when it embeds', ({ name, embeds = false }) => {
    expect(synthesised.environment(name)).toMatchObject({ EMBEDDER: 'bedrock', EMBEDDING_MODEL: titan.bedrockModel, EMBEDDING_DIM: '1024' })
    const resources = text(invoked(synthesised, name))
    expect(resources.map((one) => one.includes('::foundation-model/amazon.titan-embed-text-v2:0') && one.includes('AWS::Region'))).toEqual(embeds ? [true] : [])
  })

  test('a VPC without a way out has one to Bedrock', () => {
    const services = ofType(synthesised.resources, 'AWS::EC2::VPCEndpoint').map(([, { Properties }]) => JSON.stringify(Properties.ServiceName))
    expect(services.filter((service) => service.includes('bedrock-runtime'))).toHaveLength(1)
  })
})

test('an inference profile takes the right to itself and to its model in every region', () => {
  const granted = text(invoked(synth({ context: { bedrockModel: 'eu.cohere.embed-v4:0', embeddingDim: '1536' } }), 'recall'))
  expect(granted.toSorted()).toEqual([
    expect.stringContaining(':inference-profile/eu.cohere.embed-v4:0'),
    expect.stringContaining(':bedrock:*::foundation-model/cohere.embed-v4:0'),
  ])
})

test('what is embedded is set where it is given, and left to the default elsewhere', () => {
  expect(synth({ context: titan }).environment('recall').EMBEDDING_CONTEXT).toBeUndefined()
  const synthesised = synth({ context: { ...titan, embeddingContext: 'none' } })
  for (const { name } of manifest) expect(synthesised.environment(name).EMBEDDING_CONTEXT).toBe('none')
})

test('without one nobody may, and nothing is set', () => {
  const synthesised = synth()
  for (const { name } of manifest) expect([invoked(synthesised, name), synthesised.environment(name).EMBEDDER]).toEqual([[], undefined])
})

test('half a model is not guessed, and another one refused', () => {
  for (const half of [{ bedrockModel: titan.bedrockModel }, { embeddingContext: 'none' }]) expect(() => synth({ context: half })).toThrow(/belong together/)
  for (const wrong of [
    { ...titan, bedrockModel: 'meta.llama3-8b' },
    { ...titan, embeddingDim: '384' },
    { ...titan, embeddingContext: 'all' },
  ])
    expect(() => synth({ context: wrong })).toThrow(ContextError)
})
