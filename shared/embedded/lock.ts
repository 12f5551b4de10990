import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { tryLock } from 'fs-native-extensions'

/**
 * Locks the directory for this process and returns what unlocks it. The OS holds the lock, not the file: it is free as soon as
 * the process is gone, however it went. The file stays; deleting it would let two processes lock two different files.
 */
export function lockDirectory(dataDir: string): () => void {
  const path = join(dataDir, 'lock')
  const fd = openSync(path, 'a+')
  try {
    if (!tryLock(fd)) throw new Error(inUse(dataDir, holder(path)))
    ftruncateSync(fd)
    writeSync(fd, `${process.pid}\n`)
  } catch (error) {
    closeSync(fd)
    throw error
  }
  return () => closeSync(fd)
}

function holder(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim() || 'unknown'
  } catch {
    return 'unknown' // on Windows a locked file cannot be read
  }
}

function inUse(dataDir: string, pid: string): string {
  const who = pid === String(process.pid) ? `this process (pid ${pid})` : `another process (pid ${pid})`
  return `The data directory ${dataDir} is in use by ${who}. Stop that process, or start this one with another data directory.`
}
