import { chown, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

const nobody = 65534
const isRoot = process.getuid?.() === 0

/** Servers such as PostgreSQL refuse to run as root: as root they run as `nobody`, otherwise as the caller. Spread it into the options of a spawn. */
export const serverAccount: { uid?: number; gid?: number } = isRoot ? { uid: nobody, gid: nobody } : {}

/** Makes the server's account the owner of a file or folder that we made for it. */
export async function giveToServer(path: string): Promise<void> {
  if (isRoot) await chown(path, nobody, nobody)
}

/** @throws Error when we are root and a folder on the way to `path` is closed to the server's account; what does not exist yet will be open */
export async function requireReachable(path: string, variable: string): Promise<void> {
  for (let folder = path; isRoot && folder !== dirname(folder); folder = dirname(folder)) {
    const found = await stat(folder).catch(() => undefined)
    if (found && (found.mode & 0o001) === 0) {
      throw new Error(`As root the server runs as the user nobody, who may not enter ${folder}: set ${variable} to a folder that everybody may read.`)
    }
  }
}
