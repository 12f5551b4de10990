import { writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { installProgram } from './apt.ts'
import { installOnce } from './cache.ts'
import { runCommand } from './command.ts'

const version = '4.0.2'
const variable = 'LAMBDA_RUNTIME_PATH'
/** What builds its native part, from sources in its own package. */
const tools = { autoreconf: 'autoconf', automake: 'automake', libtoolize: 'libtool', xz: 'xz-utils', cmake: 'cmake', 'g++': 'g++', make: 'make', python3: 'python3' }

/** AWS's own runtime client, which is what runs a function inside Lambda: built once, in some 90 s. Not a dependency: `npm ci` needs no compiler. Answers its program's path. */
export async function installLambdaRuntime(): Promise<string> {
  const known = process.env[variable]
  if (known) return known
  const folder = await installOnce(`aws-lambda-ric-${version}`, async (target) => {
    for (const [program, debianPackage] of Object.entries(tools)) await installProgram([program], debianPackage, variable)
    await writeFile(join(target, 'package.json'), JSON.stringify({ private: true, allowScripts: { 'aws-lambda-ric': true } }))
    const PATH = [dirname(process.execPath), process.env.PATH].join(delimiter)
    await runCommand('npm', ['install', '--no-audit', '--no-fund', '--save-exact', `aws-lambda-ric@${version}`], { cwd: target, env: { ...process.env, PATH } })
  })
  return join(folder, 'node_modules/aws-lambda-ric/index.mjs')
}
