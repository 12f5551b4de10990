import { setTimeout as sleep } from 'node:timers/promises'
import type { OperationOut } from '../../shared/operation/index.ts'
import type { Connection } from './connect.ts'
import { CommandError } from './failure.ts'

const pollMs = 1_000

/** How an operation is now. Where there is no server its next steps are done here. @throws CommandError when it failed */
export async function lookAt({ client, local }: Connection, id: string): Promise<OperationOut> {
  await local?.runJob('run-operations')
  const operation = await client.operation(id)
  if (operation.problem) throw new CommandError(operation.problem.code, `The operation ${id} failed: ${operation.problem.detail}`)
  return operation
}

/** The time until somebody looks again. */
export const nextLook = ({ local }: Connection): Promise<void> => (local ? Promise.resolve() : sleep(pollMs))
