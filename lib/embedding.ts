import { Stack } from 'aws-cdk-lib'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import type { BedrockModel } from './context.ts'
import type { Handler } from './handler.ts'

/** Every handler knows the model, as vectors are named by it; those that embed may invoke it, and nothing else of Bedrock. */
export function embedByBedrock(handlers: Iterable<Handler>, { model, dimension, context }: BedrockModel): void {
  for (const handler of handlers) {
    handler.setVariable('EMBEDDER', 'bedrock')
    handler.setVariable('EMBEDDING_MODEL', model)
    handler.setVariable('EMBEDDING_DIM', dimension)
    if (context) handler.setVariable('EMBEDDING_CONTEXT', context)
    if (handler.row.embeds) handler.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({ actions: ['bedrock:InvokeModel'], resources: resourcesOf(Stack.of(handler), model) }))
  }
}

/** A profile (`eu.cohere.embed-v4:0`) passes a request on to its model in one of several regions, and takes the right to both. */
function resourcesOf(stack: Stack, id: string): string[] {
  const model = id.slice(id.search(/(amazon|cohere)\./))
  const arn = (region: string) => stack.formatArn({ service: 'bedrock', region, account: '', resource: 'foundation-model', resourceName: model })
  if (model === id) return [arn(stack.region)]
  return [arn('*'), stack.formatArn({ service: 'bedrock', resource: 'inference-profile', resourceName: id })]
}
