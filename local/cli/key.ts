import type { Command } from 'commander'
import type { KeyOut, Scope } from '../../shared/tenant/index.ts'
import { administerKeys } from './administer.ts'
import { commaList, type Globals } from './globals.ts'
import { answer, oneLine, table } from './output.ts'

type Options = Globals & { tenant?: string; name?: string; scopes?: string[]; expires?: string }

const examples = `
Without --url this works on the database itself, which is how the first admin key is made; over HTTP the credential must have the scope admin.
Scopes: memory:read, memory:write, memory:delete, memory:history (the default is these four), admin, outbox:read, outbox:write;
platform:tenants and platform:outbox on keys of the tenant "system".

Examples:
  $ npx soma key create --name laptop
  $ npx soma key create --tenant acme --name ops --scopes memory:read,admin --expires 2027-01-01T00:00:00Z
  $ npx soma key create --tenant system --scopes platform:tenants
  $ npx soma key list --tenant acme
  $ npx soma key revoke 0k3j5h2g1f9d`

const tenantOption = ['--tenant <name>', 'whose key it is (default: "default"; over HTTP: the tenant of the credential)'] as const

export function addKey(program: Command): void {
  const key = program.command('key').description('create, list and revoke API keys').addHelpText('after', examples)

  key
    .command('create')
    .description('create a key; it is shown in this answer only')
    .option(...tenantOption)
    .option('--name <text>', 'what it is for')
    .option('--scopes <list>', 'what it may do, split by commas', commaList)
    .option('--expires <time>', 'when it ends, such as 2027-01-01T00:00:00Z')
    .addHelpText('after', '\nExamples:\n  $ npx soma key create --name laptop\n  $ npx soma key create --tenant acme --scopes memory:read,admin --json | jq -r .key')
    .action(async (_options, command: Command) => {
      const { tenant, name, scopes, expires, ...globals } = command.optsWithGlobals<Options>()
      const input = { ...(name === undefined ? {} : { name }), ...(scopes ? { scopes: scopes as Scope[] } : {}), ...(expires === undefined ? {} : { expires_at: expires }) }
      const created = await administerKeys(globals, tenant, (keys) => keys.create(input))
      answer(
        globals,
        created,
        `The key ${created.id} may ${created.scopes.join(', ')}${created.expires_at ? ` until ${created.expires_at}` : ''}. Shown this once:\n\n  ${created.key}\n`,
      )
    })

  key
    .command('list')
    .description('list the keys of a tenant, newest first, without their secrets')
    .option(...tenantOption)
    .addHelpText('after', '\nExamples:\n  $ npx soma key list\n  $ npx soma key list --tenant acme --json')
    .action(async (_options, command: Command) => {
      const { tenant, ...globals } = command.optsWithGlobals<Options>()
      const { items } = await administerKeys(globals, tenant, (keys) => keys.list())
      const rows = items.map((one) => [one.id, stateOf(one), one.created_at, one.scopes.join(','), oneLine(one.name)])
      answer(globals, { items }, items.length ? table([['ID', 'STATE', 'CREATED', 'SCOPES', 'NAME'], ...rows]) : 'There are no keys: `soma key create` makes one.')
    })

  key
    .command('revoke <id>')
    .description('revoke a key; every process refuses it within 5 s')
    .option(...tenantOption)
    .addHelpText('after', '\nExamples:\n  $ npx soma key revoke 0k3j5h2g1f9d\n  $ npx soma key revoke 0k3j5h2g1f9d --tenant acme')
    .action(async (id: string, _options, command: Command) => {
      const { tenant, ...globals } = command.optsWithGlobals<Options>()
      await administerKeys(globals, tenant, (keys) => keys.revoke(id))
      answer(globals, { id, revoked: true }, `The key ${id} is revoked: it is refused within 5 s.`)
    })
}

function stateOf(key: KeyOut): string {
  if (key.revoked_at) return 'revoked'
  if (!key.expires_at) return 'valid'
  return Date.parse(key.expires_at) <= Date.now() ? 'expired' : `until ${key.expires_at}`
}
