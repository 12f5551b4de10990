import type { Command } from 'commander'
import { brokerChecks } from './broker-checks.ts'
import { bucketChecks } from './bucket-check.ts'
import { type Check, embedderChecks, nodeCheck, serverChecks } from './checks.ts'
import { databaseChecks } from './database-checks.ts'
import { engineChecks } from './engine.ts'
import { configOf, type Globals } from './globals.ts'
import { answer, table } from './output.ts'
import { redisChecks } from './redis-checks.ts'

const examples = `
It changes nothing, and exits 1 when a check fails. Checks that need what failed before are left out.

Examples:
  $ npx soma doctor
  $ npx soma doctor --url http://127.0.0.1:9595 --json`

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('check everything that Soma needs here, or a running server, and say what to do')
    .addHelpText('after', examples)
    .action(async (_options, command: Command) => {
      const globals = command.optsWithGlobals<Globals>()
      const checks = [nodeCheck(), ...(globals.url ? await serverChecks(globals.url, globals) : await localChecks(globals))]
      const failed = checks.filter((check) => !check.ok).length
      const verdict = failed ? `${failed} of ${checks.length} checks failed.` : `All ${checks.length} checks passed.`
      answer(globals, { ok: failed === 0, checks }, `${table(checks.map(({ ok, name, detail }) => [ok ? 'ok' : 'FAIL', name, detail]))}\n${verdict}`)
      if (failed) process.exitCode = 1
    })
}

async function localChecks(globals: Globals): Promise<Check[]> {
  try {
    const config = await configOf(globals)
    const detail = ['The configuration is fine.', ...config.warnings].join(' ')
    return [
      { name: 'configuration', ok: true, detail },
      ...(await embedderChecks(config)),
      ...(await brokerChecks(config)),
      ...(await bucketChecks(config)),
      ...(await redisChecks(config)),
      ...(await engineChecks(config)),
      ...(await databaseChecks(config, globals)),
    ]
  } catch (error) {
    return [{ name: 'configuration', ok: false, detail: error instanceof Error ? error.message : String(error) }]
  }
}
