import { CfnOutput, Duration } from 'aws-cdk-lib'
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway'
import { DomainName, EndpointType, HttpApi, HttpMethod, HttpStage, LogGroupLogDestination, PayloadFormatVersion, SecurityPolicy } from 'aws-cdk-lib/aws-apigatewayv2'
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations'
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager'
import type { IKey } from 'aws-cdk-lib/aws-kms'
import type { Construct } from 'constructs'
import type { HttpRow } from '../functions/manifest.ts'
import type { Handler } from './handler.ts'
import { stageLog } from './logs.ts'
import type { Settings, Stage } from './settings.ts'

export type ApiProps = { handlers: ReadonlyMap<string, Handler>; rows: readonly HttpRow[]; stage: Stage; settings: Settings; key: IKey }

/** One line a request, without its query: who asked for what, and what came of it. */
const accessLine = AccessLogFormat.custom(
  JSON.stringify({
    time: '$context.requestTime',
    request_id: '$context.requestId',
    source: '$context.identity.sourceIp',
    route: '$context.routeKey',
    status: '$context.status',
    milliseconds: '$context.responseLatency',
    bytes: '$context.responseLength',
    error: '$context.integrationErrorMessage',
  }),
)

/** An HTTP API with every route of the manifest, each integrated with the function of its row; throttled, and under its own name where the stage has one. Answers where it is. */
export function httpApi(scope: Construct, { handlers, rows, stage, settings, key }: ApiProps): { api: HttpApi; url: string } {
  const { domain, throttle } = settings
  const own = domain ? ownName(scope, domain) : undefined
  const api = new HttpApi(scope, 'Api', {
    apiName: `soma-${stage}`,
    description: 'Soma Memory',
    createDefaultStage: false,
    // a second door, past whatever stands before the first one
    disableExecuteApiEndpoint: own !== undefined,
  })
  new HttpStage(scope, 'ApiStage', {
    httpApi: api,
    stageName: '$default',
    autoDeploy: true,
    throttle: { rateLimit: throttle.perSecond, burstLimit: throttle.burst },
    detailedMetricsEnabled: true,
    accessLogSettings: { destination: new LogGroupLogDestination(stageLog(scope, 'ApiLog', { name: `/soma/${stage}/api`, settings, key })), format: accessLine },
    ...(own ? { domainMapping: { domainName: own } } : {}),
  })
  for (const { name, routes } of rows) {
    const placed = handlers.get(name)?.placed
    if (placed?.on !== 'lambda') throw new Error(`${name} is not a function: only functions stand behind the HTTP API.`)
    // one permission a function: one a route is half of what a stack may hold
    const integration = new HttpLambdaIntegration(name, placed.fn, {
      payloadFormatVersion: PayloadFormatVersion.VERSION_2_0,
      timeout: Duration.seconds(29),
      scopePermissionToRoute: false,
    })
    for (const { method, path } of routes) api.addRoutes({ path: path.replace(/:(\w+)/g, '{$1}'), methods: [HttpMethod[method]], integration })
  }
  return { api, url: domain ? `https://${domain.name}` : api.apiEndpoint }
}

function ownName(scope: Construct, { name, certificateArn }: NonNullable<Settings['domain']>): DomainName {
  const certificate = Certificate.fromCertificateArn(scope, 'ApiCertificate', certificateArn)
  const own = new DomainName(scope, 'ApiName', { domainName: name, certificate, endpointType: EndpointType.REGIONAL, securityPolicy: SecurityPolicy.TLS_1_2 })
  new CfnOutput(scope, 'ApiNameTarget', { value: own.regionalDomainName, description: `What ${name} has to be a CNAME of` })
  return own
}
