import { access, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { runCommand } from './command.ts'

/** Where installed services are kept, outside the checkout. Root's home is closed to the account that servers run as, so root uses the system's cache. */
export const cacheFolder = resolve(process.env.SOMA_SERVICES_DIR || join(systemCache(), 'soma-services'))

/**
 * Answers the folder `name` of the cache, filled by `install` when it is absent.
 * `install` works in a temporary folder that is renamed at the end: a killed install leaves no half-filled one, and of two at once the first wins.
 */
export async function installOnce(name: string, install: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(cacheFolder, name)
  if (await exists(folder)) return folder
  console.error(`installing ${name} into ${cacheFolder} …`)
  await mkdir(cacheFolder, { recursive: true })
  const partial = await mkdtemp(join(cacheFolder, '.partial-'))
  try {
    await install(partial)
    await runCommand('chmod', ['-R', 'a+rX', partial])
    await rename(partial, folder)
  } catch (error) {
    await rm(partial, { recursive: true, force: true })
    if (!(await exists(folder))) throw error
  }
  return folder
}

function systemCache(): string {
  if (process.getuid?.() === 0) return '/var/cache'
  return process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
