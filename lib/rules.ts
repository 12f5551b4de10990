import type { HttpRow, Method } from '../functions/manifest.ts'

/** One load balancer rule: these methods on this path go to the owner. A rule takes five condition values: one path and at most four methods. */
export type Rule = { owner: string; path: string; methods: Method[] }

/** The rules of all routes, the most specific first; a rule's priority is its place. `:id` becomes `*`, which in a load balancer also spans slashes. */
export function balancerRules(rows: readonly HttpRow[]): Rule[] {
  const byPath = new Map<string, Rule>()
  for (const { name: owner, routes } of rows) {
    for (const { method, path } of routes) {
      const pattern = path.replace(/:\w+/g, '*')
      const rule = byPath.get(`${owner} ${pattern}`) ?? { owner, path: pattern, methods: [] }
      byPath.set(`${owner} ${pattern}`, { ...rule, methods: [...rule.methods, method] })
    }
  }
  return [...byPath.values()].sort(bySpecificity)
}

/** Fewer stars win, then more segments: /v1/memories/list, then /v1/memories/{any}/history, then /v1/memories/{any}. */
function bySpecificity(a: Rule, b: Rule): number {
  const count = (rule: Rule, character: string) => rule.path.split(character).length
  return count(a, '*') - count(b, '*') || count(b, '/') - count(a, '/') || a.path.localeCompare(b.path) || a.owner.localeCompare(b.owner)
}
