import { type Command, InvalidArgumentError, Option } from 'commander'
import { type Config, parseConfig, secretHosts, withSecrets } from '../../shared/config/index.ts'
import { createLog, type Log } from '../../shared/telemetry/index.ts'
import { CommandError } from './failure.ts'

/** The options that every command takes. */
export type Globals = { json?: true; url?: string; token?: string; dataDir?: string }

export function addGlobals(program: Command): void {
  program
    .option('--json', 'answer with one JSON document on stdout; errors as {"error":{code,detail}} on stderr')
    .addOption(new Option('--url <url>', 'speak to a running server instead of opening the database in this process').env('SOMA_URL').argParser(httpUrl))
    .addOption(new Option('--token <token>', 'the key or API token to send').env('SOMA_TOKEN'))
    .option('--data-dir <path>', 'the directory of the embedded database (default: SOMA_DATA_DIR, or .soma here)')
}

/** The environment as the server reads it, secrets fetched where they are given by ARN. @throws ConfigError */
export async function configOf({ dataDir }: Globals, overrides: Record<string, string | undefined> = {}): Promise<Config> {
  const config = parseConfig({ ...process.env, ...(dataDir ? { SOMA_DATA_DIR: dataDir } : {}), ...overrides })
  if (!Object.keys(config.secretArns).length) return config
  const { fetchSecrets } = await import('../../shared/aws/index.ts')
  return withSecrets(config, await fetchSecrets(config.secretArns, secretHosts(config)))
}

/** For requests answered in this process: whoever can open the database may read it, so no credential is asked for. */
export async function directConfig(globals: Globals): Promise<Config> {
  return { ...(await configOf(globals, { AUTH_MODE: undefined })), AUTH_MODE: 'open' }
}

/** A command is no server: it logs what went wrong, and more only when asked. */
export function quietLog(config: Config): Log {
  return createLog(process.env.LOG_LEVEL ? config.LOG_LEVEL : 'error')
}

/** @throws CommandError usage */
export function refuseUrl({ url }: Globals, command: string): void {
  if (url) throw new CommandError('usage', `\`soma ${command}\` works on the database itself: leave --url (and SOMA_URL) away and run it where the database is.`)
}

function httpUrl(text: string): string {
  if (text !== '' && !/^https?:$/.test(URL.parse(text)?.protocol ?? '')) throw new InvalidArgumentError('It takes a URL such as http://127.0.0.1:9595.')
  return text
}

export function integer(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It takes a whole number.')
  return Number(text)
}

export function decimal(text: string): number {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) throw new InvalidArgumentError('It takes a number.')
  return Number(text)
}

export function jsonObject(text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new InvalidArgumentError('It takes JSON, such as \'{"topic":"tea"}\'.')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new InvalidArgumentError('It takes a JSON object, such as \'{"topic":"tea"}\'.')
  return value as Record<string, unknown>
}

/** `a, b` → ['a', 'b'] */
export function commaList(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
}
