import { HttpApi, HttpMethod, PayloadFormatVersion } from 'aws-cdk-lib/aws-apigatewayv2'
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations'
import type { Construct } from 'constructs'
import type { HttpRow } from '../functions/manifest.ts'
import type { Handler } from './handler.ts'
import type { Stage } from './settings.ts'

export type ApiProps = { handlers: ReadonlyMap<string, Handler>; rows: readonly HttpRow[]; stage: Stage }

/** An HTTP API with every route of the manifest, each integrated with the function of its row. */
export function httpApi(scope: Construct, { handlers, rows, stage }: ApiProps): HttpApi {
  const api = new HttpApi(scope, 'Api', { apiName: `soma-${stage}`, description: 'Soma Memory' })
  for (const { name, routes } of rows) {
    const placed = handlers.get(name)?.placed
    if (placed?.on !== 'lambda') throw new Error(`${name} is not a function: only functions stand behind the HTTP API.`)
    const integration = new HttpLambdaIntegration(name, placed.fn, { payloadFormatVersion: PayloadFormatVersion.VERSION_2_0 })
    for (const { method, path } of routes) api.addRoutes({ path: path.replace(/:(\w+)/g, '{$1}'), methods: [HttpMethod[method]], integration })
  }
  return api
}
