import { Duration } from 'aws-cdk-lib'
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager'
import { Peer, Port } from 'aws-cdk-lib/aws-ec2'
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import type { Role } from 'aws-cdk-lib/aws-iam'
import type { IKey } from 'aws-cdk-lib/aws-kms'
import type { Construct } from 'constructs'
import type { HttpRow } from '../functions/manifest.ts'
import type { AccessLogs } from './access-logs.ts'
import { switchBetween, switchRole } from './blue-green.ts'
import { firewall } from './firewall.ts'
import { type Handler, pascalCase } from './handler.ts'
import type { Network } from './network.ts'
import { balancerRules, type Rule } from './rules.ts'
import type { Settings, Stage } from './settings.ts'
import { port } from './task.ts'

export type BalancerProps = {
  handlers: ReadonlyMap<string, Handler>
  rows: readonly HttpRow[]
  network: Network
  stage: Stage
  settings: Settings
  key: IKey
  accessLogs: AccessLogs
}

const noRoute = elb.ListenerAction.fixedResponse(404, {
  contentType: 'application/json',
  messageBody: JSON.stringify({ error: { code: 'not_found', message: 'No route of this service has this path and method.' } }),
})

/** A load balancer with a rule for each of the http services behind it; by TLS where the stage has a certificate, behind a firewall where it wants one. */
export function loadBalancer(scope: Construct, { handlers, rows, network, stage, settings, key, accessLogs }: BalancerProps): elb.ApplicationLoadBalancer {
  const balancer = new elb.ApplicationLoadBalancer(scope, 'LoadBalancer', {
    vpc: network.vpc,
    vpcSubnets: network.subnets,
    internetFacing: !settings.internalLoadBalancer,
    dropInvalidHeaderFields: true,
    desyncMitigationMode: elb.DesyncMitigationMode.STRICTEST,
    deletionProtection: settings.removalPolicy === 'retain',
  })
  accessLogs.ofBalancer(balancer)
  const callers = settings.internalLoadBalancer ? Peer.ipv4(network.vpc.vpcCidrBlock) : Peer.anyIpv4()
  const listener = settings.domain ? byTls(scope, balancer, settings.domain) : balancer.addListener('Http', { port: 80, open: false, defaultAction: noRoute })
  balancer.connections.allowFrom(callers, Port.tcp(80))
  if (settings.domain) balancer.connections.allowFrom(callers, Port.tcp(443))
  if (settings.firewall) firewall(scope, { stage, settings, key, resourceArn: balancer.loadBalancerArn, limits: settings.firewall })
  const role = settings.blueGreen ? switchRole(scope) : undefined
  for (const rule of balancerRules(rows)) serve(scope, { handler: handlers.get(rule.owner), rule, listener, network, stage, role })
  return balancer
}

/** TLS 1.3 or 1.2; whoever speaks HTTP is told where to go. */
function byTls(scope: Construct, balancer: elb.ApplicationLoadBalancer, { certificateArn }: NonNullable<Settings['domain']>): elb.ApplicationListener {
  balancer.addListener('Http', { port: 80, open: false, defaultAction: elb.ListenerAction.redirect({ protocol: 'HTTPS', port: '443', permanent: true }) })
  const certificates = [Certificate.fromCertificateArn(scope, 'Certificate', certificateArn)]
  return balancer.addListener('Https', { port: 443, open: false, certificates, sslPolicy: elb.SslPolicy.RECOMMENDED_TLS, defaultAction: noRoute })
}

type Served = { handler: Handler | undefined; rule: Rule; listener: elb.IApplicationListener; network: Network; stage: Stage; role: Role | undefined }

/** The rule of a service and what it forwards to: one target group, which a deployment rolls through, or with a `role` two that it is switched between. */
function serve(scope: Construct, { handler, rule, listener, network, stage, role }: Served): void {
  if (handler?.placed.on !== 'task' || !handler.placed.service) throw new Error(`${handler?.row.name} is not a service: only http tasks stand behind the load balancer.`)
  const { service } = handler.placed
  const first = targetGroup(handler, 'Targets', network)
  const second = role && targetGroup(handler, 'OtherTargets', network)
  const action = second
    ? elb.ListenerAction.weightedForward([
        { targetGroup: first, weight: 1 },
        { targetGroup: second, weight: 0 },
      ])
    : elb.ListenerAction.forward([first])
  const listenerRule = new elb.ApplicationListenerRule(scope, `RuleOf${pascalCase(rule.owner)}`, { listener, priority: rule.priority, conditions: conditionsOf(rule), action })
  if (role && second) switchBetween({ handler, service, first, second, rule: listenerRule }, { role, stage })
  else first.addTarget(service)
}

function conditionsOf({ paths, methods }: Rule): elb.ListenerCondition[] {
  return [new PathExpressions(paths), ...(methods ? [elb.ListenerCondition.httpRequestMethods(methods)] : [])]
}

/** Paths by regular expressions, of which the CDK knows in its generated part alone. */
class PathExpressions extends elb.ListenerCondition {
  private readonly paths: readonly string[]

  constructor(paths: readonly string[]) {
    super()
    this.paths = paths
  }

  override renderRawCondition(): elb.CfnListenerRule.RuleConditionProperty {
    return { field: 'path-pattern', pathPatternConfig: { regexValues: [...this.paths] } }
  }
}

function targetGroup(handler: Handler, id: string, { vpc }: Network): elb.ApplicationTargetGroup {
  return new elb.ApplicationTargetGroup(handler, id, {
    vpc,
    port,
    protocol: elb.ApplicationProtocol.HTTP,
    targetType: elb.TargetType.IP,
    deregistrationDelay: Duration.seconds(handler.row.timeoutSeconds + 1),
    // Each service answers only its own routes, so a 404 says as well as a 200 that it listens.
    healthCheck: { path: '/healthz', healthyHttpCodes: '200-404', interval: Duration.seconds(15) },
  })
}
