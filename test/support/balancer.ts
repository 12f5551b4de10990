import { manifest } from '../../functions/manifest.ts'
import { balancerRules } from '../../lib/rules.ts'

const rules = balancerRules(manifest.filter((row) => row.kind === 'http')).map(({ owner, paths, methods }) => {
  return { owner, methods: methods && new Set<string>(methods), paths: paths.map((path) => new RegExp(path)) }
})

/** Which task the load balancer of the stacks hands a request to: the first rule that fits. */
export function balancedTo(method: string, path: string): string | undefined {
  return rules.find((rule) => (rule.methods?.has(method) ?? true) && rule.paths.some((one) => one.test(path)))?.owner
}
