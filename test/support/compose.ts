import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

export type ComposeService = {
  image: string
  build?: { context: string }
  command?: string[]
  environment?: Record<string, string>
  ports?: string[]
  profiles?: string[]
  volumes?: string[]
  healthcheck?: { disable?: boolean; test?: string[] }
  depends_on?: Record<string, { condition: string }>
  read_only?: boolean
  cap_drop?: string[]
  restart?: string
}

export const composeFile = 'local/compose.yaml'

/** The services of local/compose.yaml, as Compose reads it where none of its variables is set. */
export function composeServices(): { services: Record<string, ComposeService>; volumes: string[] } {
  const text = readFileSync(composeFile, 'utf8').replace(/\$\{\w+:-([^}]*)\}/g, '$1')
  const { services, volumes } = parse(text, { merge: true }) as { services: Record<string, ComposeService>; volumes: Record<string, unknown> }
  return { services, volumes: Object.keys(volumes) }
}
