import { Duration } from 'aws-cdk-lib'
import { Peer } from 'aws-cdk-lib/aws-ec2'
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import type { Construct } from 'constructs'
import type { HttpRow } from '../functions/manifest.ts'
import type { Handler } from './handler.ts'
import type { Network } from './network.ts'
import { balancerRules } from './rules.ts'
import type { Settings } from './settings.ts'
import { port } from './task.ts'

export type BalancerProps = { handlers: ReadonlyMap<string, Handler>; rows: readonly HttpRow[]; network: Network; settings: Settings }

/** A load balancer with a rule for each path of the manifest, in front of the http services. Plain HTTP until a certificate is a setting. */
export function loadBalancer(scope: Construct, { handlers, rows, network, settings }: BalancerProps): elb.ApplicationLoadBalancer {
  const balancer = new elb.ApplicationLoadBalancer(scope, 'LoadBalancer', {
    vpc: network.vpc,
    vpcSubnets: network.subnets,
    internetFacing: !settings.internalLoadBalancer,
    dropInvalidHeaderFields: true,
    deletionProtection: settings.removalPolicy === 'retain',
  })
  const listener = balancer.addListener('Http', {
    port: 80,
    open: false,
    defaultAction: elb.ListenerAction.fixedResponse(404, {
      contentType: 'application/json',
      messageBody: JSON.stringify({ error: { code: 'not_found', message: 'No route of this service has this path and method.' } }),
    }),
  })
  listener.connections.allowDefaultPortFrom(settings.internalLoadBalancer ? Peer.ipv4(network.vpc.vpcCidrBlock) : Peer.anyIpv4())
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
