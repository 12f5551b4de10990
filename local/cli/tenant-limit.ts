import type { Command } from 'commander'
import { OwnLimitsPatch } from '../../shared/tenant/index.ts'
import { administerTenants } from './administer.ts'
import type { Globals } from './globals.ts'
import { answer, table } from './output.ts'

const rate = 'such as 100/s or 3000/m'
const options = {
  request_rate: `requests of the tenant, ${rate}`,
  key_request_rate: `requests of each of its keys, ${rate}`,
  batch_rate: `calls that store many memories, ${rate}`,
  batch_size: 'memories in one of these calls',
  daily_writes: 'versions that it may store a day (UTC)',
  memories: 'memories that it may hold',
  bytes: 'bytes that they may be',
} as const satisfies Record<keyof OwnLimitsPatch, string>
type Limit = keyof typeof options
const names = Object.keys(options) as Limit[]

const examples = `
Each takes a limit, "unlimited", or "default" for that of the configuration. What is not named stays; without any of them the tenant's own limits are shown.

Examples:
  $ npx soma tenant limit acme
  $ npx soma tenant limit acme --memories 1000000 --request-rate 100/s
  $ npx soma tenant limit acme --memories default --daily-writes unlimited`

export function addTenantLimit(tenant: Command): void {
  const command = tenant.command('limit <name>').description('show or change what a tenant is held to').addHelpText('after', examples)
  for (const name of names) command.option(`--${name.replaceAll('_', '-')} <limit>`, options[name])
  command.action(async (name: string, given: Record<string, string | undefined>, command: Command) => {
    const globals = command.optsWithGlobals<Globals>()
    const limits = patchOf(given)
    const changed = await administerTenants(globals, (tenants) => tenants.limit(name, limits))
    const rows = names.map((limit) => [limit.replaceAll('_', '-'), String(changed.limits[limit] ?? 'default')])
    answer(globals, changed, table([['LIMIT', `OF ${changed.name}`], ...rows]))
  })
}

/** @throws ZodError when a limit has another form */
function patchOf(given: Record<string, string | undefined>): OwnLimitsPatch {
  const entries = names.flatMap((name): [Limit, unknown][] => {
    const text = given[name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase())]
    if (text === undefined) return []
    return [[name, text === 'default' ? null : /^\d+$/.test(text) && !name.endsWith('rate') ? Number(text) : text]]
  })
  return OwnLimitsPatch.parse(Object.fromEntries(entries))
}
