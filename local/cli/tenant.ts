import type { Command } from 'commander'
import type { TenantOut } from '../../shared/tenant/index.ts'
import { administerTenants } from './administer.ts'
import type { Globals } from './globals.ts'
import { answer, table } from './output.ts'
import { addTenantLimit } from './tenant-limit.ts'

const examples = `
Without --url this works on the database itself; over HTTP it needs a key of the tenant "system" with the scope platform:tenants.

Examples:
  $ npx soma tenant create acme
  $ npx soma tenant list --json
  $ npx soma tenant suspend acme
  $ npx soma tenant resume acme
  $ npx soma tenant limit acme --memories 1000000 --request-rate 100/s`

export function addTenant(program: Command): void {
  const tenant = program.command('tenant').description('create, list, suspend, resume and limit tenants').addHelpText('after', examples)

  tenant
    .command('create <name>')
    .description('create a tenant; its first admin key is shown in this answer only')
    .addHelpText('after', '\nExamples:\n  $ npx soma tenant create acme\n  $ npx soma tenant create acme --json | jq -r .admin_key.key')
    .action(async (name: string, _options, command: Command) => {
      const globals = command.optsWithGlobals<Globals>()
      const created = await administerTenants(globals, (tenants) => tenants.create(name))
      answer(globals, created, `The tenant "${created.name}" exists. Its first admin key, shown this once:\n\n  ${created.admin_key.key}\n`)
    })

  tenant
    .command('list')
    .description('list all tenants by name')
    .addHelpText('after', "\nExamples:\n  $ npx soma tenant list\n  $ npx soma tenant list --json | jq -r '.items[].name'")
    .action(async (_options, command: Command) => {
      const globals = command.optsWithGlobals<Globals>()
      const items = await administerTenants(globals, async (tenants) => {
        const all: TenantOut[] = []
        for (let cursor: string | null | undefined; cursor !== null; ) {
          const page = await tenants.list(cursor)
          all.push(...page.items)
          cursor = page.next_cursor
        }
        return all
      })
      answer(globals, { items }, table([['NAME', 'STATUS', 'CREATED'], ...items.map((one) => [one.name, one.status, one.created_at])]))
    })

  for (const [verb, summary, now] of [
    ['suspend', 'refuse all credentials of a tenant within 5 s', 'suspended: its credentials are refused within 5 s'],
    ['resume', 'accept the credentials of a suspended tenant again', 'active'],
  ] as const) {
    tenant
      .command(`${verb} <name>`)
      .description(summary)
      .addHelpText('after', `\nExamples:\n  $ npx soma tenant ${verb} acme`)
      .action(async (name: string, _options, command: Command) => {
        const globals = command.optsWithGlobals<Globals>()
        const changed = await administerTenants(globals, (tenants) => tenants[verb](name))
        answer(globals, changed, `The tenant "${changed.name}" is ${now}.`)
      })
  }
  addTenantLimit(tenant)
}
