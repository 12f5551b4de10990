import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Locks the directory for this process and returns what unlocks it. The OS holds the lock, not the file: it is free as soon as
 * the process is gone, however it went. The file stays; deleting it would let two processes lock two different files. `what` names the directory to people.
 * @throws Error when another process has it
 */
export async function lockDirectory(directory: string, what = 'data directory'): Promise<() => void> {
  // loaded when something is locked: a bundle of a deployed function goes without it
  const { tryLock } = await import('fs-native-extensions')
  const path = join(directory, 'lock')
  const fd = openSync(path, 'a+')
  try {
    if (!tryLock(fd)) throw new Error(inUse(what, directory, holder(path)))
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

function inUse(what: string, directory: string, pid: string): string {
  const who = pid === String(process.pid) ? `this process (pid ${pid})` : `another process (pid ${pid})`
  return `The ${what} ${directory} is in use by ${who}. Stop that process, or start this one with another ${what}.`
}
