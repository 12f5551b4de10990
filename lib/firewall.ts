import { ArnFormat, Stack } from 'aws-cdk-lib'
import { CfnLoggingConfiguration, CfnWebACL, CfnWebACLAssociation } from 'aws-cdk-lib/aws-wafv2'
import type { Construct } from 'constructs'
import { type LogProps, stageLog } from './logs.ts'
import type { Settings, Stage } from './settings.ts'

export type FirewallProps = Pick<LogProps, 'settings' | 'key'> & { stage: Stage; resourceArn: string; limits: NonNullable<Settings['firewall']> }

/** What is wrong in a body of a form is a memory here: somebody's notes on SQL, scripts, paths and exploits. These rules count and do not refuse. */
const ofBodies: Record<string, string[]> = {
  AWSManagedRulesCommonRuleSet: ['SizeRestrictions_BODY', 'CrossSiteScripting_BODY', 'GenericLFI_BODY', 'GenericRFI_BODY', 'EC2MetaDataSSRF_BODY'],
  AWSManagedRulesKnownBadInputsRuleSet: ['JavaDeserializationRCE_BODY', 'Log4JRCE_BODY', 'ReactJSRCE_BODY'],
  AWSManagedRulesAmazonIpReputationList: [],
}

/** Refuses addresses of bad repute, floods of one address, and requests that are attacks in what is no body. */
export function firewall(scope: Construct, { stage, settings, key, resourceArn, limits }: FirewallProps): CfnWebACL {
  const visible = (metricName: string) => ({ cloudWatchMetricsEnabled: true, sampledRequestsEnabled: false, metricName })
  const managed = Object.entries(ofBodies).map(([name, counted], index) => ({
    name,
    priority: index + 1,
    overrideAction: { none: {} },
    statement: { managedRuleGroupStatement: { vendorName: 'AWS', name, ruleActionOverrides: counted.map((rule) => ({ name: rule, actionToUse: { count: {} } })) } },
    visibilityConfig: visible(name),
  }))
  const acl = new CfnWebACL(scope, 'Firewall', {
    scope: 'REGIONAL',
    defaultAction: { allow: {} },
    rules: [
      {
        name: 'FloodOfOneAddress',
        priority: 0,
        action: { block: { customResponse: { responseCode: 429 } } },
        statement: { rateBasedStatement: { limit: limits.perFiveMinutes, aggregateKeyType: 'IP' } },
        visibilityConfig: visible('FloodOfOneAddress'),
      },
      ...managed,
    ],
    visibilityConfig: visible('Firewall'),
  })
  new CfnWebACLAssociation(scope, 'FirewallAssociation', { resourceArn, webAclArn: acl.attrArn })
  const log = stageLog(scope, 'FirewallLog', { name: `aws-waf-logs-soma-${stage}`, settings, key })
  new CfnLoggingConfiguration(scope, 'FirewallLogging', {
    resourceArn: acl.attrArn,
    // its own ARN ends with a `:*` that is refused here
    logDestinationConfigs: [Stack.of(scope).formatArn({ service: 'logs', resource: 'log-group', resourceName: log.logGroupName, arnFormat: ArnFormat.COLON_RESOURCE_NAME })],
    // neither credentials nor what was asked for
    redactedFields: [{ singleHeader: { Name: 'authorization' } }, { singleHeader: { Name: 'x-api-key' } }, { queryString: {} }],
    loggingFilter: { DefaultBehavior: 'DROP', Filters: [{ Behavior: 'KEEP', Requirement: 'MEETS_ANY', Conditions: [{ ActionCondition: { Action: 'BLOCK' } }] }] },
  })
  return acl
}
