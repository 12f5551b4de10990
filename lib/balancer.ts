import { Duration } from 'aws-cdk-lib'
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager'
import { Peer, Port } from 'aws-cdk-lib/aws-ec2'
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import type { IKey } from 'aws-cdk-lib/aws-kms'
import type { Construct } from 'constructs'
import type { HttpRow } from '../functions/manifest.ts'
import type { AccessLogs } from './access-logs.ts'
import { firewall } from './firewall.ts'
import type { Handler } from './handler.ts'
import type { Network } from './network.ts'
import { balancerRules } from './rules.ts'
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

/** A load balancer with a rule for each path of the manifest, in front of the http services; by TLS where the stage has a certificate, behind a firewall where it wants one. */
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
  const targets = new Map(rows.map(({ name }) => [name, targetGroup(handlers.get(name), network)]))
  // The logical id is the priority, not the path: a new route then moves conditions between rules, where moved priorities would collide in mid-update.
  for (const [index, { owner, path, methods }] of balancerRules(rows).entries()) {
    new elb.ApplicationListenerRule(scope, `Rule${index + 1}`, {
      listener,
      priority: index + 1,
      conditions: [elb.ListenerCondition.pathPatterns([path]), elb.ListenerCondition.httpRequestMethods(methods)],
      action: elb.ListenerAction.forward([targets.get(owner) as elb.ApplicationTargetGroup]),
    })
  }
  return balancer
}

/** TLS 1.3 or 1.2; whoever speaks HTTP is told where to go. */
function byTls(scope: Construct, balancer: elb.ApplicationLoadBalancer, { certificateArn }: NonNullable<Settings['domain']>): elb.ApplicationListener {
  balancer.addListener('Http', { port: 80, open: false, defaultAction: elb.ListenerAction.redirect({ protocol: 'HTTPS', port: '443', permanent: true }) })
  const certificates = [Certificate.fromCertificateArn(scope, 'Certificate', certificateArn)]
  return balancer.addListener('Https', { port: 443, open: false, certificates, sslPolicy: elb.SslPolicy.RECOMMENDED_TLS, defaultAction: noRoute })
}

function targetGroup(handler: Handler | undefined, { vpc }: Network): elb.ApplicationTargetGroup {
  if (handler?.placed.on !== 'task' || !handler.placed.service) throw new Error(`${handler?.row.name} is not a service: only http tasks stand behind the load balancer.`)
  return new elb.ApplicationTargetGroup(handler, 'Targets', {
    vpc,
    port,
    protocol: elb.ApplicationProtocol.HTTP,
    targets: [handler.placed.service],
    deregistrationDelay: Duration.seconds(handler.row.timeoutSeconds + 1),
    // Each service answers only its own routes, so a 404 says as well as a 200 that it listens.
    healthCheck: { path: '/healthz', healthyHttpCodes: '200-404', interval: Duration.seconds(15) },
  })
}
