import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { startPostgres } from '../../local/services/postgres.ts'
import { exitOf, freePort, untilLine } from '../http/processes.ts'
import { type ComposeService, composeServices } from './compose.ts'
import { asAdmin } from './engines.ts'
import { type Image, makeImage } from './image.ts'

/** Where the services of local/compose.yaml are here, by the names they have there. */
export type Places = Record<'kafka:9092' | 'http://s3:7070' | 'redis://redis:6379', string>
export type Ended = { code: number | null; output: string }
export type Containers = {
  image: Image
  /** The superuser's URL of the database that compose makes, and a login's of it. */
  adminUrl: string
  urlOf(login: string, database?: string): string
  /** Starts a service; resolves when it says that it listens, or runs. */
  start(name: string, more?: Record<string, string>): Promise<{ port: string; child: ChildProcess }>
  /** Runs a service, or another command in its place, to its end. */
  run(name: string, more?: Record<string, string>, command?: string[]): Promise<Ended>
  remove(): Promise<void>
}

/** The tasks of local/compose.yaml as processes from its image, without Docker: their commands and variables, a Postgres of their own with compose's logins. */
export async function composeContainers(places: Places, environment: Record<string, string>): Promise<Containers> {
  const image = makeImage()
  const { services } = composeServices()
  const postgres = await startPostgres({ major: 18, fsync: false }).catch((error: unknown) => {
    image.remove()
    throw error
  })
  await asAdmin(postgres.url, (client) => client.query(readFileSync('local/compose/roles.sql', 'utf8')))
  const found = { ...places, 'postgres:5432': new URL(postgres.url).host }
  const here = (value: string) => Object.entries(found).reduce((now, [there, place]) => now.replace(there, place), value)
  const children = new Set<ChildProcess>()

  function launch(name: string, more: Record<string, string>, command?: string[]): ChildProcess {
    const service = services[name] as ComposeService
    const given = Object.entries(service.environment ?? {}).map(([variable, value]) => [variable, here(String(value))] as const)
    const child = image.run(command ?? service.command ?? image.command, { ...Object.fromEntries(given), ...environment, ...more })
    children.add(child)
    child.once('exit', () => children.delete(child))
    return child
  }

  return {
    image,
    adminUrl: postgres.url,
    urlOf: (username, database) => Object.assign(new URL(postgres.url), { username, password: 'local', ...(database ? { pathname: `/${database}` } : {}) }).href,
    async start(name, more = {}) {
      const port = await freePort()
      // compose's containers have a network each; here all share this one
      const child = launch(name, { HOST: '127.0.0.1', PORT: port, ...more })
      await untilLine(child, /listening|runs until SIGTERM/)
      return { port, child }
    },
    async run(name, more = {}, command) {
      const child = launch(name, more, command)
      const [stdout, stderr] = await Promise.all([text(child.stdout as NodeJS.ReadableStream), text(child.stderr as NodeJS.ReadableStream)])
      return { code: await exitOf(child), output: stdout + stderr }
    },
    async remove() {
      for (const child of children) child.kill('SIGKILL')
      await Promise.all([...children].map(exitOf))
      await postgres.stop()
      image.remove()
    },
  }
}
