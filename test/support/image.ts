import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, chownSync, copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative, resolve } from 'node:path'

const checkout = resolve(import.meta.dirname, '../..')
const nobody = 65534
const isRoot = process.getuid?.() === 0

type Stage = { from: string; root: string; workdir: string; env: Record<string, string>; user: string; command: string[]; alive: string[] }
export type Image = Omit<Stage, 'root'> & {
  bases: string[]
  /** A process of the image: a command of its own or the image's, as a user who may write nothing of it, with the image's variables and these. */
  run(command: string[], env: Record<string, string>): ReturnType<typeof spawn>
  remove(): void
}

/** The instructions of a Dockerfile: a word and its text, lines put together. */
export function instructions(dockerfile: string): { word: string; text: string }[] {
  const lines = dockerfile
    .split('\n')
    .filter((line) => !/^\s*(#|$)/.test(line))
    .join('\n')
    .replace(/\s*\\\n\s*/g, ' ')
  return lines.split('\n').map((line) => ({ word: line.slice(0, line.indexOf(' ')), text: line.slice(line.indexOf(' ') + 1).trim() }))
}

/** Whether a file of the checkout reaches the build: by .dockerignore the last line that fits it, or a folder above it, decides. */
export function reachesBuild(path: string): boolean {
  let kept = true
  for (const line of readFileSync(join(checkout, '.dockerignore'), 'utf8').split('\n')) {
    const pattern = line.replace(/^!/, '').trim()
    if (!pattern || pattern.startsWith('#')) continue
    const above = path.split('/').map((_, i, steps) => steps.slice(0, i + 1).join('/'))
    // Docker's star stands for a leading dot too
    const fits = new RegExp(`^${pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*')}$`)
    if (above.some((one) => fits.test(one))) kept = line.startsWith('!')
  }
  return kept
}

/** Makes the image of the Dockerfile without Docker: the same lines, run and copied into folders. What the base image has is this Node, and the shell of this machine. */
export function makeImage(): Image {
  const folder = mkdtempSync(join(tmpdir(), 'soma-image-'))
  chmodSync(folder, 0o755)
  const stages = new Map<string, Stage>()
  const bases: string[] = []
  let stage: Stage | undefined
  for (const { word, text } of instructions(readFileSync(join(checkout, 'Dockerfile'), 'utf8'))) {
    if (word === 'FROM') {
      const [from = '', , name = 'last'] = text.split(/\s+/)
      bases.push(from)
      stage = { from, root: join(folder, name), workdir: '/', env: {}, user: 'root', command: [], alive: [] }
      mkdirSync(stage.root)
      stages.set(name, stage)
    } else if (stage) build[word]?.(stage, text, stages) ?? unknown(word)
  }
  const last = [...stages.values()].at(-1) as Stage
  const node = join(last.root, 'usr/local/bin/node')
  mkdirSync(dirname(node), { recursive: true })
  copyFileSync(process.execPath, node)
  for (const other of stages.values()) if (other !== last) rmSync(other.root, { recursive: true })
  execFileSync('chmod', ['-R', 'a-w', join(last.root, last.workdir)])
  const { root, ...rest } = last
  return {
    ...rest,
    bases,
    run([program = '', ...args], env) {
      const found = program === 'node' ? node : program
      const account = isRoot ? { uid: nobody, gid: nobody } : {}
      return spawn(found, args, { cwd: join(root, last.workdir), env: { PATH: dirname(node), ...last.env, ...env }, stdio: 'pipe', ...account })
    },
    remove() {
      execFileSync('chmod', ['-R', 'u+w', folder])
      rmSync(folder, { recursive: true })
    },
  }
}

function unknown(word: string): never {
  throw new Error(`test/support/image.ts does not know the instruction ${word} of the Dockerfile yet.`)
}

const inStage = ({ root, workdir }: Stage, path: string) => join(root, path.startsWith('/') ? path : join(workdir, path))

const build: Record<string, (stage: Stage, text: string, stages: Map<string, Stage>) => true> = {
  WORKDIR(stage, text) {
    stage.workdir = text
    mkdirSync(join(stage.root, text), { recursive: true })
    return true
  },
  ENV(stage, text) {
    for (const [, name = '', value = ''] of text.matchAll(/(\w+)=(\S+)/g)) stage.env[name] = value.replace(/^\/data$/, join(stage.root, 'data'))
    return true
  },
  COPY(stage, text, stages) {
    const parts = text.split(/\s+/)
    const flags = parts.filter((part) => part.startsWith('--'))
    const paths = parts.filter((part) => !part.startsWith('--'))
    const to = inStage(stage, paths.at(-1) ?? '')
    const from = flags.find((flag) => flag.startsWith('--from='))?.slice('--from='.length)
    const source = from === undefined ? undefined : (stages.get(from) as Stage)
    for (const path of paths.slice(0, -1)) {
      const at = source ? join(source.root, path) : join(checkout, path)
      if (!existsSync(at) || (!source && !reachesBuild(path))) throw new Error(`The Dockerfile copies ${path}, which is not there.`)
      // a file goes into a folder that is named with its slash, a folder's content takes the place of the other
      const target = paths.at(-1)?.endsWith('/') && !at.endsWith('/') && /\.\w+$|LICENSE$/.test(path) ? join(to, basename(path)) : to
      cpSync(at, target, { recursive: true, filter: (one) => source !== undefined || one === at || reachesBuild(relative(checkout, one)) })
      if (isRoot && flags.includes('--chown=node:node')) chownSync(target, nobody, nobody)
    }
    return true
  },
  RUN(stage, text) {
    // npm and its Node as the base image has them
    const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}`, NODE_ENV: '' }
    execFileSync('sh', ['-c', text], { cwd: join(stage.root, stage.workdir), env, stdio: 'pipe' })
    return true
  },
  USER(stage, text) {
    stage.user = text
    return true
  },
  EXPOSE: () => true,
  HEALTHCHECK(stage, text) {
    stage.alive = JSON.parse(text.slice(text.indexOf('CMD [') + 4))
    return true
  },
  CMD(stage, text) {
    stage.command = JSON.parse(text)
    return true
  },
}
