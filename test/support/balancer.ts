import { manifest } from '../../functions/manifest.ts'
import { balancerRules } from '../../lib/rules.ts'

const rules = balancerRules(manifest.filter((row) => row.kind === 'http')).map(({ owner, path, methods }) => {
  const pattern = path.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')
  return { owner, methods: new Set<string>(methods), fits: new RegExp(`^${pattern}$`) }
})

/** Which task the load balancer of the stacks hands a request to: the first rule that fits, where a star stands for slashes too. */
export function balancedTo(method: string, path: string): string | undefined {
  return rules.find((rule) => rule.methods.has(method) && rule.fits.test(path))?.owner
}
