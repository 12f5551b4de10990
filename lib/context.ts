import type { Node } from 'constructs'
import * as z from 'zod'
import { stageNames } from './settings.ts'

export const computeNames = ['lambda', 'container', 'mixed'] as const
export type Compute = (typeof computeNames)[number]

/** A `-c key=value` of the command line that is missing or wrong. The message is for the person who typed it. */
export class ContextError extends Error {
  override readonly name = 'ContextError'
}

const Subnets = z
  .string()
  .transform((text) => text.split(','))
  .pipe(z.array(z.string().regex(/^subnet-([0-9a-f]{8}|[0-9a-f]{17})$/)).min(2))

/** Shape of each context key, and what it takes in words. */
const keys = {
  stage: { shape: z.enum(stageNames), takes: stageNames.join(', ') },
  compute: { shape: z.enum(computeNames), takes: computeNames.join(', ') },
  size: { shape: z.enum(['small']).optional(), takes: 'small, which costs next to nothing while nobody asks' },
  image: { shape: z.string().min(1).optional(), takes: 'the URI of a container image, with its tag or digest, or Dockerfile to make it here' },
  vpcId: {
    shape: z
      .string()
      .regex(/^vpc-([0-9a-f]{8}|[0-9a-f]{17})$/)
      .optional(),
    takes: 'the id of a VPC (vpc-…)',
  },
  vpcCidr: { shape: z.cidrv4().optional(), takes: 'the address range of that VPC, such as 10.0.0.0/16' },
  bedrockModel: {
    shape: z
      .string()
      .regex(/^([a-z-]+\.)?(amazon\.titan-embed-text-v2|cohere\.embed-(english-v3|multilingual-v3|v4))(:\d+)?$/)
      .optional(),
    takes: 'the id of Titan Text Embeddings v2, of Cohere Embed v3 or v4, or of an inference profile of one, such as eu.cohere.embed-v4:0',
  },
  embeddingDim: { shape: z.enum(['256', '512', '1024', '1536']).optional(), takes: 'as many numbers as the model gives: 256, 512, 1024, 1536' },
  embeddingContext: { shape: z.enum(['previous-turn', 'none']).optional(), takes: 'previous-turn, none' },
  subnetIds: { shape: Subnets.optional(), takes: 'subnet ids in at least two zones, separated by commas' },
}

export type DeployContext = { [K in keyof typeof keys]: z.infer<(typeof keys)[K]['shape']> }
export type BedrockModel = { model: string; dimension: string; context: string | undefined }
export type GivenVpc = { vpcId: string; vpcCidr: string; subnetIds: string[] }

/** Reads the context keys of `cdk deploy -c key=value`. @throws ContextError */
export function readContext(node: Node): DeployContext {
  const read = Object.entries(keys).map(([key, { shape, takes }]) => {
    const given: unknown = node.tryGetContext(key)
    const parsed = shape.safeParse(given)
    if (parsed.success) return [key, parsed.data]
    const problem = given === undefined ? 'is not set' : `cannot be ${JSON.stringify(given)}`
    throw new ContextError(`The context key "${key}" ${problem}: it takes ${takes} (for example: cdk deploy -c stage=dev -c compute=lambda).`)
  })
  return Object.fromEntries(read) as DeployContext
}

/** The VPC named by the context, or undefined when one has to be created. @throws ContextError when only a part of it is named */
export function givenVpc({ vpcId, vpcCidr, subnetIds }: DeployContext): GivenVpc | undefined {
  if (vpcId && vpcCidr && subnetIds) return { vpcId, vpcCidr, subnetIds }
  if (!vpcId && !vpcCidr && !subnetIds) return undefined
  throw new ContextError('The context keys "vpcId", "vpcCidr" and "subnetIds" belong together: give all three to use your VPC, or none of them to have one created.')
}

/** The model of Bedrock that embeds, or undefined for the built-in embedder. @throws ContextError when only its id or only its dimension is named */
export function givenModel({ bedrockModel, embeddingDim, embeddingContext: context }: DeployContext): BedrockModel | undefined {
  if (bedrockModel && embeddingDim) return { model: bedrockModel, dimension: embeddingDim, context }
  if (!bedrockModel && !embeddingDim && !context) return undefined
  throw new ContextError(
    'The context keys "bedrockModel" and "embeddingDim" belong together: give both (and "embeddingContext" with them alone) to embed by Bedrock, or none for the built-in embedder.',
  )
}
