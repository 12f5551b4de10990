import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** Runs a program to its end and answers what it printed. @throws Error with its last words, in a sentence, when it fails or is not installed */
export async function runCommand(program: string, args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv; uid?: number; gid?: number } = {}): Promise<string> {
  try {
    const { stdout } = await execute(program, args, { maxBuffer: 16 * 1024 * 1024, ...options })
    return stdout.trim()
  } catch (cause) {
    const { code, stderr } = cause as { code?: string | number; stderr?: string }
    const reason = code === 'ENOENT' ? 'it is not installed (or its working directory is missing)' : stderr?.trim() || String(cause)
    throw new Error(`\`${program} ${args.join(' ')}\` failed: ${reason}`, { cause })
  }
}

/** A port of 127.0.0.1 that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (typeof address === 'object' && address ? resolve(address.port) : reject(new Error('The system gave no free port.'))))
    })
  })
}
