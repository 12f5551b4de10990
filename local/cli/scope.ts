import type { Command } from 'commander'

export type ScopeOptions = { user?: string; agent?: string; session?: string; namespace?: string }

export function addScope(command: Command): Command {
  return command
    .option('--user <id>', 'the user it belongs to')
    .option('--agent <id>', 'the agent')
    .option('--session <id>', 'the session')
    .option('--namespace <name>', 'the collection (default: "default")')
}

export function scopeOf({ user, agent, session, namespace }: ScopeOptions) {
  return {
    ...(user === undefined ? {} : { user_id: user }),
    ...(agent === undefined ? {} : { agent_id: agent }),
    ...(session === undefined ? {} : { session_id: session }),
    ...(namespace === undefined ? {} : { namespace }),
  }
}
