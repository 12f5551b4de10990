import type { Command } from 'commander'
import { connected } from './connect.ts'
import type { Globals } from './globals.ts'
import { answer, count } from './output.ts'

export function addStats(program: Command): void {
  program
    .command('stats')
    .description('count the memories of the tenant')
    .addHelpText('after', '\nExamples:\n  $ npx soma stats\n  $ npx soma stats --json --url http://127.0.0.1:9595')
    .action(async (_options, command: Command) => {
      const globals = command.optsWithGlobals<Globals>()
      const stats = await connected(globals, ({ client }) => client.stats())
      const others = stats.total_memories - stats.episodic - stats.semantic
      answer(globals, stats, `${count(stats.total_memories, 'memory', 'memories')}: ${stats.episodic} episodic, ${stats.semantic} semantic, ${others} procedural.`)
    })
}
