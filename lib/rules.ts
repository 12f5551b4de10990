import { createHash } from 'node:crypto'
import type { HttpRow, Method } from '../functions/manifest.ts'

/** The one rule of a service: requests whose path one of `paths` matches, with one of `methods` where they are named. The lower `priority` is asked first. */
export type Rule = { owner: string; priority: number; paths: string[]; methods: Method[] | undefined }

/** What a load balancer takes: so many characters of a regular expression, so many values of a condition and of a rule. */
const longest = 128
const most = { ofCondition: 3, ofRule: 5 }
const half = 20_000

/**
 * A rule for each service, those without a parameter in their paths before the others. One alone, as ECS switches one rule of a service from blue to green; so a path is a regular expression, of which
 * a rule holds more than of paths with stars. @throws Error when a service has more paths than a rule holds, or two have one priority
 */
export function balancerRules(rows: readonly HttpRow[]): Rule[] {
  const rules = rows.map(ruleOf).sort((a, b) => a.priority - b.priority)
  const twice = rules.find(({ priority }, index) => priority === rules[index + 1]?.priority)
  if (twice) throw new Error(`The handler ${twice.owner} and another have one priority at the load balancer: give one of them another name.`)
  return rules
}

function ruleOf({ name: owner, routes }: HttpRow): Rule {
  const paths = packed([...new Set(routes.map(({ path }) => patternOf(path)))].sort())
  const methods = [...new Set(routes.map(({ method }) => method))].sort()
  if (paths.length > most.ofCondition) throw new Error(`The routes of ${owner} are too many for one rule of a load balancer: split the handler in functions/manifest.ts.`)
  // named while there is room: the service itself answers 404 to what is none of its routes
  const named = methods.length <= most.ofCondition && methods.length + paths.length <= most.ofRule
  return { owner, priority: priorityOf(owner, !routes.some(({ path }) => path.includes(':'))), paths, methods: named ? methods : undefined }
}

/** By the name and not by its place: one that moved when a service is added would collide with another in mid-update. */
function priorityOf(owner: string, fixed: boolean): number {
  const place = createHash('sha256').update(owner).digest().readUInt32BE() % half
  return 1 + place + (fixed ? 0 : half)
}

/** `:id` is one segment of a path. */
const patternOf = (path: string): string => path.replaceAll('.', '\\.').replace(/:\w+/g, '[^/]+')

/** As few expressions as hold all patterns in this order, each of which matches a whole path. */
function packed(patterns: readonly string[]): string[] {
  const groups: string[][] = []
  for (const pattern of patterns) {
    const last = groups.at(-1)
    if (last && whole([...last, pattern]).length <= longest) last.push(pattern)
    else groups.push([pattern])
  }
  return groups.map(whole)
}

const whole = (patterns: readonly string[]): string => `^(${patterns.join('|')})$`
