import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { lstat, mkdir, open, readdir, realpath, rename, rm } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { assertKey, BlobExists, BlobMissing, type BlobStore, type Stored } from './port.ts'

/** What is being written is called so until it is whole; `list` does not see it. */
const unfinished = '.unfinished-'
const chunkBytes = 256 * 1024

/** Files under a directory, which is made when the first is put. Neither a key nor a symbolic link leads out of it. */
export function fileStore(root: string): BlobStore {
  /** The path of a key whose folder is really inside of the root. */
  async function inside(key: string): Promise<string> {
    assertKey(key)
    const path = join(root, ...key.split('/'))
    const [realRoot, folder] = await Promise.all([realpath(root), realpath(dirname(path))])
    const way = relative(realRoot, folder)
    if (way === '..' || way.startsWith(`..${sep}`)) throw new Error(`The key "${key}" leads out of ${root} by a symbolic link.`)
    return path
  }

  return {
    async put(key, content, { ifAbsent = false } = {}) {
      assertKey(key)
      await mkdir(dirname(join(root, ...key.split('/'))), { recursive: true, mode: 0o700 })
      const path = await inside(key)
      const partial = join(dirname(path), `${unfinished}${randomBytes(8).toString('hex')}`)
      const file = await open(partial, 'wx', 0o600)
      try {
        try {
          for await (const piece of content) await file.writeFile(piece)
          await file.sync()
        } finally {
          await file.close()
        }
        if (ifAbsent) await reserve(path)
        await rename(partial, path)
      } catch (error) {
        await rm(partial, { force: true })
        throw error
      }
      await syncFolder(dirname(path))
    },

    async *get(key, from = 0) {
      const missing = (cause: unknown) => ((cause as NodeJS.ErrnoException).code === 'ENOENT' ? new BlobMissing(`There is no file ${join(root, key)}.`, { cause }) : cause)
      const path = await inside(key).catch((error) => {
        throw missing(error)
      })
      const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error) => {
        throw missing(error)
      })
      try {
        for (let at = from; ; ) {
          const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, at)
          if (bytesRead === 0) return
          at += bytesRead
          yield buffer.subarray(0, bytesRead)
        }
      } finally {
        await file.close()
      }
    },

    async list(prefix) {
      if (prefix !== '') assertKey(prefix)
      const found: Stored[] = []
      const visit = async (key: string): Promise<void> => {
        const path = join(root, ...key.split('/'))
        const stats = await lstat(path).catch(ifMissing)
        if (stats?.isDirectory()) {
          for (const name of (await readdir(path)).sort()) if (!name.startsWith(unfinished)) await visit(key === '' ? name : `${key}/${name}`)
        } else if (stats) found.push({ key, bytes: stats.size })
      }
      await visit(prefix)
      return found.sort((a, b) => (a.key < b.key ? -1 : 1))
    },

    async remove(key) {
      const path = await inside(key).catch(ifMissing)
      if (path) await rm(path, { force: true })
    },
  }
}

/** Makes the file, empty, for the rename that comes next: of two at once one succeeds. Not by `link`, which some file systems of sticks and shares have not. */
async function reserve(path: string): Promise<void> {
  try {
    await (await open(path, 'wx', 0o600)).close()
  } catch (cause) {
    throw (cause as NodeJS.ErrnoException).code === 'EEXIST' ? new BlobExists(`There is something already at ${path}.`, { cause }) : cause
  }
}

/** The name of a new file lasts only when its folder is flushed too. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
