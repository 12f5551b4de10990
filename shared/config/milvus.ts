import * as z from 'zod'

/** Milvus' own form of a credential is `user:password`, or a key of its cloud. */
export const milvusVariables = {
  VECTOR_ENGINE: z.enum(['pgvector', 'milvus']).default('pgvector'),
  MILVUS_HOST: z
    .string()
    .regex(/^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$|^\[[0-9a-fA-F:]+\]$/, { error: 'takes the name or the address of a host, without scheme and port' })
    .optional(),
  MILVUS_PORT: z.coerce.number().int().min(1).max(65535).default(19530),
  MILVUS_TOKEN: z.string().min(1).optional(),
  MILVUS_TLS: z.enum(['0', '1']).default('0'),
  MILVUS_SSL_CA_LOCATION: z.string().optional(),
  MILVUS_FROM_MEMORIES: z.coerce.number().int().min(0).max(1_000_000_000).default(20_000),
}

type MilvusValues = z.output<z.ZodObject<typeof milvusVariables>>
/** Where Milvus is and how it is spoken to. */
export type MilvusConnection = { host: string; port: number; token: string | undefined; tls: boolean; caLocation: string | undefined }

/** What does not go together, one sentence each. */
export function milvusProblems(values: MilvusValues): string[] {
  if (values.VECTOR_ENGINE !== 'milvus') return []
  const problems: string[] = []
  if (!values.MILVUS_HOST) problems.push('VECTOR_ENGINE got "milvus": it needs MILVUS_HOST.')
  if (values.MILVUS_SSL_CA_LOCATION && values.MILVUS_TLS !== '1') problems.push('MILVUS_SSL_CA_LOCATION is set, but the connection has no TLS: MILVUS_TLS takes 1 then.')
  return problems
}

/** Settings of an engine that is not used do nothing: said aloud. */
export function milvusWarnings(values: MilvusValues, given: Record<string, string | undefined>): string[] {
  if (values.VECTOR_ENGINE === 'milvus') return []
  const idle = Object.keys(milvusVariables).filter((name) => name !== 'VECTOR_ENGINE' && (given[name] || given[`${name}_SECRET_ARN`]))
  return idle.map((name) => `${name} is set, but VECTOR_ENGINE is not milvus: Milvus is not used.`)
}

/** The connection that the configuration asks for, secrets fetched; undefined unless VECTOR_ENGINE is milvus. */
export function milvusConnection(values: MilvusValues): MilvusConnection | undefined {
  const { VECTOR_ENGINE: engine, MILVUS_HOST: host, MILVUS_PORT: port, MILVUS_TOKEN: token, MILVUS_TLS: tls, MILVUS_SSL_CA_LOCATION: caLocation } = values
  return engine === 'milvus' && host !== undefined ? { host, port, token, tls: tls === '1', caLocation } : undefined
}
