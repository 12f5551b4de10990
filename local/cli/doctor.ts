import type { Command } from 'commander'
import { brokerChecks } from './broker-checks.ts'
import { bucketChecks } from './bucket-check.ts'
import { type Check, embedderChecks, nodeCheck, serverChecks } from './checks.ts'
import { databaseChecks } from './database-checks.ts'
import { engineChecks } from './engine.ts'
import { configOf, type Globals, refuseUrl } from './globals.ts'
import { issuerChecks } from './issuer-check.ts'
import { answer, table } from './output.ts'
import { type Point, productionPoints } from './production.ts'
import { redisChecks } from './redis-checks.ts'

const examples = `
It changes nothing, and exits 1 when a check fails. Checks that need what failed before are left out.

Examples:
  $ npx soma doctor
  $ npx soma doctor --url http://127.0.0.1:9595 --json
  $ npx soma doctor --production`

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('check everything that Soma needs here, or a running server, and say what to do')
    .option('--production', 'walk the ten points of the guides’ checklist before production, each with its evidence')
    .addHelpText('after', examples)
    .action(async (_options, command: Command) => {
      const { production, ...globals } = command.optsWithGlobals<Globals & { production?: true }>()
      if (production) return readiness(globals)
      const checks = [nodeCheck(), ...(globals.url ? await serverChecks(globals.url, globals) : await localChecks(globals))]
      const failed = checks.filter((check) => !check.ok).length
      const verdict = failed ? `${failed} of ${checks.length} checks failed.` : `All ${checks.length} checks passed.`
      answer(globals, { ok: failed === 0, checks }, `${table(checks.map(({ ok, name, detail }) => [ok ? 'ok' : 'FAIL', name, detail]))}\n${verdict}`)
      if (failed) process.exitCode = 1
    })
}

/** Exits 1 when a point fails; what nobody here can see is said, and fails nothing. */
async function readiness(globals: Globals): Promise<void> {
  refuseUrl(globals, 'doctor --production')
  const points = await productionPoints(await configOf(globals))
  const of = (state: Point['state']) => points.filter((point) => point.state === state).length
  const verdict = of('fail') ? `${of('fail')} of ${points.length} points fail.` : `No point fails, ${of('by hand')} of ${points.length} end with what is to be looked at by hand.`
  const rows = points.map(({ point, name, state, detail }) => [String(point), state === 'fail' ? 'FAIL' : state, name, detail])
  answer(globals, { ok: of('fail') === 0, points }, `${table(rows)}\n${verdict}`)
  if (of('fail')) process.exitCode = 1
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
      ...(await issuerChecks(config)),
      ...(await engineChecks(config)),
      ...(await databaseChecks(config, globals)),
    ]
  } catch (error) {
    return [{ name: 'configuration', ok: false, detail: error instanceof Error ? error.message : String(error) }]
  }
}
