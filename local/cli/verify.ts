import type { Command } from 'commander'
import type { Client } from '../../shared/client/index.ts'
import { type ContentHash, contentHash } from '../../shared/transfer/index.ts'
import { connected } from './connect.ts'
import { exportedLines } from './export.ts'
import type { Globals } from './globals.ts'
import { answer } from './output.ts'
import { numberText, showProgress } from './progress.ts'
import { verifyArchiveAt } from './verify-archive.ts'

const examples = `
Without an archive it reads everything of the tenant as an export with versions and links does, and writes nothing. Two tenants with the same content have the same hash.
With an archive no database is opened: every part, every authentication and every row's hash is checked. An encrypted one takes BACKUP_KEY.

Examples:
  $ npx soma verify
  $ npx soma verify --json --url http://127.0.0.1:9595
  $ npx soma verify monday
  $ npx soma verify s3://backups/monday`

export function addVerify(program: Command): void {
  program
    .command('verify')
    .description('count what the tenant holds and hash its content, or check that an archive is whole')
    .argument('[archive]', 'an archive, as backup wrote it: a directory, or s3://bucket/prefix')
    .addHelpText('after', examples)
    .action(async (archive: string | undefined, _options, command: Command) => {
      const globals = command.optsWithGlobals<Globals>()
      if (archive !== undefined) return verifyArchiveAt(globals, archive)
      const { lines, hash } = await connected(globals, ({ client }) => verifyTenant(client, globals))
      answer(globals, { lines, hash }, `${numberText(lines)} lines (memories, versions and links). Content hash ${hash}`)
    })
}

async function verifyTenant(client: Client, globals: Globals): Promise<ContentHash> {
  const hash = contentHash()
  const progress = showProgress(globals, { label: 'Reading', unit: 'lines' })
  try {
    for await (const { value } of exportedLines(await client.export({ all_namespaces: true, versions: true, links: true }))) {
      hash.add(value)
      progress.report(hash.lines())
    }
  } finally {
    progress.end()
  }
  return hash.digest()
}
