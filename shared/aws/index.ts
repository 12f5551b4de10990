import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { secretText } from './secret-form.ts'

export { type BedrockProblem, bedrock, type InvokeModel } from './bedrock.ts'
export { mskToken } from './msk-token.ts'
export { type Schedule, schedules } from './scheduler.ts'

let lambda: LambdaClient | undefined
let secrets: SecretsManagerClient | undefined
const lambdaClient = () => (lambda ??= new LambdaClient({}))

/** Fetches secrets by ARN: each is plain text, `{"value": "…"}`, or a login, whose host `hosts` may replace. `onRead` hears when each got its present value. @throws Error that names the variable, never the value */
export async function fetchSecrets<Name extends string>(
  arns: Partial<Record<Name, string>>,
  hosts: Partial<Record<Name, string>> = {},
  onRead: (name: Name, changed: Date) => void = () => {},
): Promise<Partial<Record<Name, string>>> {
  const entries = Object.entries(arns) as [Name, string][]
  if (!entries.length) return {}
  secrets ??= new SecretsManagerClient({})
  const client = secrets
  const values = await Promise.all(
    entries.map(async ([name, arn]) => {
      try {
        const answer = await client.send(new GetSecretValueCommand({ SecretId: arn }))
        if (answer.CreatedDate) onRead(name, answer.CreatedDate)
        return [name, secretText(answer.SecretString ?? '', hosts[name])] as const
      } catch (cause) {
        throw new Error(`The secret of ${name} cannot be read.`, { cause })
      }
    }),
  )
  return Object.fromEntries(values) as Partial<Record<Name, string>>
}

/** Invokes a function and waits for its JSON. @throws Error when the function itself failed */
export async function invokeFunction(functionName: string, payload: unknown): Promise<unknown> {
  const answer = await lambdaClient().send(new InvokeCommand({ FunctionName: functionName, Payload: Buffer.from(JSON.stringify(payload)) }))
  if (answer.FunctionError) throw new Error(`${functionName} failed: ${answer.FunctionError}`)
  return JSON.parse(Buffer.from(answer.Payload ?? []).toString() || 'null')
}

/** Invokes a function and does not wait for what it does; for its being taken no longer than `patienceMs`. */
export async function invokeAsync(functionName: string, payload: unknown, patienceMs: number): Promise<void> {
  const command = new InvokeCommand({ FunctionName: functionName, InvocationType: 'Event', Payload: Buffer.from(JSON.stringify(payload)) })
  await lambdaClient().send(command, { abortSignal: AbortSignal.timeout(patienceMs) })
}
