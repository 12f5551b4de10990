import type { Command } from 'commander'
import type { KeyOut, Scope } from '../../shared/tenant/index.ts'
import { administerKeys } from './administer.ts'
import { commaList, type Globals } from './globals.ts'
import { answer, oneLine, table } from './output.ts'

type Reach = { namespaces?: string[]; user?: string; agent?: string; app?: string; run?: string; session?: string }
type Options = Globals & Reach & { tenant?: string; name?: string; scopes?: string[]; expires?: string }

const examples = `
Without --url this works on the database itself, which is how the first admin key is made; over HTTP the credential must have the scope admin.
Scopes: memory:read, memory:write, memory:delete, memory:history (the default is these four), admin, outbox:read, outbox:write;
platform:tenants, platform:outbox, platform:backups and platform:drills on keys of the tenant "system".
A key can be limited to namespaces and scope ids, which each of its calls then has to name; it has scopes of memories alone.

Examples:
  $ npx soma key create --name laptop
  $ npx soma key create --tenant acme --name ops --scopes memory:read,admin --expires 2027-01-01T00:00:00Z
  $ npx soma key create --tenant system --scopes platform:tenants
  $ npx soma key create --namespaces notes,tasks --user ada --scopes memory:read,memory:write
  $ npx soma key list --tenant acme
  $ npx soma key rotate 0k3j5h2g1f9d --overlap-seconds 3600
  $ npx soma key revoke 0k3j5h2g1f9d`

const tenantOption = ['--tenant <name>', 'whose key it is (default: "default"; over HTTP: the tenant of the credential)'] as const

export function addKey(program: Command): void {
  const key = program.command('key').description('create, list, rotate and revoke API keys').addHelpText('after', examples)

  key
    .command('create')
    .description('create a key; it is shown in this answer only')
    .option(...tenantOption)
    .option('--name <text>', 'what it is for')
    .option('--scopes <list>', 'what it may do, split by commas', commaList)
    .option('--expires <time>', 'when it ends, such as 2027-01-01T00:00:00Z')
    .option('--namespaces <list>', 'the only namespaces that it may name, split by commas', commaList)
    .option('--user <id>', 'the only user that it may name')
    .option('--agent <id>', 'the only agent')
    .option('--app <id>', 'the only app')
    .option('--run <id>', 'the only run')
    .option('--session <id>', 'the only session')
    .addHelpText('after', '\nExamples:\n  $ npx soma key create --name laptop\n  $ npx soma key create --tenant acme --scopes memory:read,admin --json | jq -r .key')
    .action(async (_options, command: Command) => {
      const { tenant, name, scopes, expires, namespaces, user, agent, app, run, session, ...globals } = command.optsWithGlobals<Options>()
      const reach = given({ namespaces, user_id: user, agent_id: agent, app_id: app, run_id: run, session_id: session })
      const input = given({ name, scopes: scopes as Scope[] | undefined, expires_at: expires, reach: Object.keys(reach).length ? reach : undefined })
      const created = await administerKeys(globals, tenant, (keys) => keys.create(input))
      answer(globals, created, shownOnce(created))
    })

  key
    .command('list')
    .description('list the keys of a tenant, newest first, without their secrets')
    .option(...tenantOption)
    .addHelpText('after', '\nExamples:\n  $ npx soma key list\n  $ npx soma key list --tenant acme --json')
    .action(async (_options, command: Command) => {
      const { tenant, ...globals } = command.optsWithGlobals<Options>()
      const { items } = await administerKeys(globals, tenant, (keys) => keys.list())
      const rows = items.map((one) => [one.id, stateOf(one), one.created_at, one.last_used_at ?? 'never', one.scopes.join(','), reachOf(one), oneLine(one.name)])
      answer(
        globals,
        { items },
        items.length ? table([['ID', 'STATE', 'CREATED', 'LAST USED', 'SCOPES', 'REACH', 'NAME'], ...rows]) : 'There are no keys: `soma key create` makes one.',
      )
    })

  key
    .command('rotate <id>')
    .description('make a new key that takes over from another, which ends after the overlap')
    .option(...tenantOption)
    .option('--overlap-seconds <n>', 'how long the old key goes on (default: 86400, at most 2592000)', Number)
    .option('--expires <time>', 'when the new key ends (default: when the old one would have)')
    .addHelpText('after', '\nExamples:\n  $ npx soma key rotate 0k3j5h2g1f9d\n  $ npx soma key rotate 0k3j5h2g1f9d --overlap-seconds 3600 --json | jq -r .key')
    .action(async (id: string, _options, command: Command) => {
      const { tenant, overlapSeconds, expires, ...globals } = command.optsWithGlobals<Globals & { tenant?: string; overlapSeconds?: number; expires?: string }>()
      const rotated = await administerKeys(globals, tenant, (keys) => keys.rotate(id, given({ overlap_seconds: overlapSeconds, expires_at: expires })))
      answer(globals, rotated, `${shownOnce(rotated)}\nThe key ${id} goes on for ${overlapSeconds ?? 86_400} s, or until its own end where that comes first.`)
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

/** What is given, without the names of what is not. */
const given = <T extends object>(options: T) =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as { [name in keyof T]: Exclude<T[name], undefined> }

function shownOnce({ id, scopes, expires_at, key, ...one }: KeyOut): string {
  const limits = one.reach ? ` in ${reachOf(one)}` : ''
  return `The key ${id} may ${scopes.join(', ')}${limits}${expires_at ? ` until ${expires_at}` : ''}. Shown this once:\n\n  ${key}\n`
}

function reachOf({ reach }: Pick<KeyOut, 'reach'>): string {
  const { namespaces, ...ids } = reach ?? {}
  const parts = [...(namespaces ? [namespaces.join(',')] : []), ...Object.entries(ids).map(([name, id]) => `${name}=${id}`)]
  return parts.length ? oneLine(parts.join(' ')) : 'all'
}

function stateOf(key: KeyOut): string {
  if (key.revoked_at) return 'revoked'
  if (!key.expires_at) return 'valid'
  return Date.parse(key.expires_at) <= Date.now() ? 'expired' : `until ${key.expires_at}`
}
