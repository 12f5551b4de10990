import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { runCommand } from './command.ts'

/** The path of a program: the one that is there, otherwise Debian's, installed now. @throws Error with what to do when it cannot be installed */
export async function installProgram(names: readonly string[], debianPackage: string, variable: string): Promise<string> {
  const known = process.env[variable] || (await onPath(names))
  if (known) return known
  if (process.getuid?.() !== 0) throw new Error(`There is no ${names[0]} here: install it (Debian: \`apt-get install ${debianPackage}\`), or set ${variable}.`)
  // one at a time: a second apt-get would fail on the first one's lock
  const turn = installing.then(() => aptInstall(debianPackage))
  installing = turn.catch(() => {})
  await turn
  const installed = await onPath(names)
  if (!installed) throw new Error(`\`apt-get install ${debianPackage}\` brought no program of that name: set ${variable}.`)
  return installed
}

let installing: Promise<void> = Promise.resolve()
let updated = false
/** Another process' apt-get is waited for. */
const waiting = ['-o', 'DPkg::Lock::Timeout=120']

async function aptInstall(debianPackage: string): Promise<void> {
  console.error(`installing ${debianPackage} …`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  if (!updated) await runCommand('apt-get', ['update', '-qq', ...waiting], { env })
  updated = true
  await runCommand('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...waiting, debianPackage], { env })
}

async function onPath(names: readonly string[]): Promise<string | undefined> {
  // servers live in sbin, which an ordinary account's PATH leaves out
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']
  for (const file of names.flatMap((name) => folders.map((folder) => join(folder, name)))) {
    const runs = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (runs) return file
  }
  return undefined
}
