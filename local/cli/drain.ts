import type { Command } from 'commander'
import { pendingByTenant } from '../../shared/outbox/index.ts'
import type { Local } from '../adapter.ts'
import { connected } from './connect.ts'
import { CommandError } from './failure.ts'
import { type Globals, refuseUrl } from './globals.ts'
import { interruptible } from './interruptible.ts'
import { answer } from './output.ts'

const examples = `
A running server drains by itself; this is for a database without one. Rows that failed wait for their next attempt and stay pending.

Examples:
  $ npx soma drain
  $ npx soma drain --json`

export function addDrain(program: Command): void {
  program
    .command('drain')
    .description('publish and index committed changes until nothing is ready')
    .addHelpText('after', examples)
    .action(async (_options, command: Command) => {
      const globals = command.optsWithGlobals<Globals>()
      refuseUrl(globals, 'drain')
      const counts = await connected(globals, ({ local, servedAt }) => {
        if (!local) throw new CommandError('unavailable', `A server at ${servedAt} has the embedded database open and drains it by itself: there is nothing to do here.`)
        return interruptible((signal) => drain(local, signal))
      })
      answer(globals, counts, `Sent ${counts.sent}, failed ${counts.failed}; ${counts.pending} pending, ${counts.dead} dead.`)
    })
}

async function drain(local: Local, signal: AbortSignal): Promise<{ sent: number; failed: number; pending: number; dead: number }> {
  let sent = 0
  let failed = 0
  for (let remaining = true; remaining && !signal.aborted; ) {
    const report = await local.runJob('drain-outbox', signal)
    sent += report.done
    failed += Number(report.detail?.failed ?? 0)
    remaining = report.remaining
  }
  const rows = await pendingByTenant(local.db.worker)
  return { sent, failed, pending: rows.reduce((sum, row) => sum + row.pending, 0), dead: rows.reduce((sum, row) => sum + row.dead, 0) }
}
