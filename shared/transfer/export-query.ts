import * as z from 'zod'
import { Namespace, parts, Uuid } from '../memory/index.ts'

const flag = (name: string) =>
  z
    .enum(['true', 'false'], `${name} takes true or false`)
    .default('false')
    .transform((text) => text === 'true')

/** A scope is a namespace, or all of them. */
export const oneScope: [(query: { namespace?: string | undefined; all_namespaces: boolean }) => boolean, { path: PropertyKey[]; error: string }] = [
  (query) => query.namespace === undefined || !query.all_namespaces,
  { path: ['all_namespaces'], error: 'give namespace or all_namespaces, not both' },
]

/** The query string of an export. */
export const ExportIn = z
  .strictObject({
    namespace: Namespace.optional(),
    all_namespaces: flag('all_namespaces'),
    user_id: parts.Id.optional(),
    versions: flag('versions'),
    links: flag('links'),
    vectors: flag('vectors'),
    cursor: Uuid.optional(),
  })
  .refine(...oneScope)
export type ExportQuery = z.output<typeof ExportIn>
