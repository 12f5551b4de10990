import { DependencyFailure } from '../breaker/index.ts'
import type { MilvusConnection } from '../config/index.ts'

/** gRPC's numbers of what an operator can do something about. */
const grpc = { deadlineExceeded: 4, permissionDenied: 7, unimplemented: 12, unavailable: 14, unauthenticated: 16 } as const
type Status = { error_code?: unknown; code?: unknown; reason?: unknown }

/** A failure of Milvus in a sentence that names the variable to look at. */
export function failureOf(error: unknown, connection: MilvusConnection): DependencyFailure {
  if (error instanceof DependencyFailure) return error
  return new DependencyFailure(`Milvus at ${connection.host}:${connection.port} (MILVUS_HOST, MILVUS_PORT) ${reasonOf(error, connection)}`, { cause: error })
}

function reasonOf(error: unknown, { tls, caLocation }: MilvusConnection): string {
  // the SDK reads on in an answer that it did not get: of a collection that is not there, or of something that is no Milvus
  if (error instanceof TypeError) return 'has not the collection that Postgres names, or is no Milvus: `npx soma doctor` tells which, `npx soma rebuild-index` makes another'
  const { code, message, details } = partsOf(error)
  if (code === grpc.unauthenticated || code === grpc.permissionDenied || /auth check failure|unauthenticated/i.test(message))
    return 'refuses the credentials: look at MILVUS_TOKEN, which takes user:password or a key'
  if (/self[- ]signed|unable to (get|verify)|certificate|altnames/i.test(message))
    return `has a certificate that is not trusted (${details}): ${caLocation ? 'look at MILVUS_SSL_CA_LOCATION' : "MILVUS_SSL_CA_LOCATION takes the path of its CA's"}`
  if (/wrong version number|packet length too long/i.test(message)) return 'does not speak TLS: MILVUS_TLS takes 0 then'
  if (/ENOTFOUND|EAI_AGAIN|name resolution/i.test(message)) return 'is not known by that name'
  if (code === grpc.deadlineExceeded || /deadline exceeded/i.test(message)) return `does not answer in time${tls ? '' : '; if it speaks TLS, MILVUS_TLS takes 1'}`
  if (code === grpc.unavailable) return `cannot be reached (${details})${tls ? '' : '; if it speaks TLS, MILVUS_TLS takes 1'}`
  if (/collection not found|can.?t find collection|CollectionNotExists|does ?n.?t exist/i.test(message))
    return `has not the collection that Postgres names: \`npx soma rebuild-index\` makes another (${details})`
  return `answers: ${details}`
}

function partsOf(error: unknown): { code: unknown; message: string; details: string } {
  const status = statusOf(error)
  if (status) return { code: undefined, message: String(status.reason ?? ''), details: String(status.reason || status.error_code || 'nothing that it should') }
  const given = error instanceof Error ? error : new Error(String(error))
  const details = 'details' in given && typeof given.details === 'string' && given.details ? given.details : given.message
  return { code: 'code' in given ? given.code : undefined, message: `${given.message} ${details}`, details: details.slice(0, 300) }
}

/** The SDK throws some answers as they are. */
function statusOf(error: unknown): Status | undefined {
  if (typeof error !== 'object' || error === null || error instanceof Error) return undefined
  return 'status' in error && typeof error.status === 'object' && error.status !== null ? error.status : error
}

/** An answer that says it succeeded. A server that is no Milvus makes the SDK answer an empty object, as if all were well. @throws Status, or Error */
export function succeeded<Answer>(answer: Answer): Answer {
  const status = (typeof answer === 'object' && answer !== null && 'status' in answer ? answer.status : answer) as Status | undefined
  if (status?.error_code === undefined) throw new Error('nothing that Milvus would: something else may listen there')
  if (status.error_code !== 'Success' && status.error_code !== 0) throw status
  return answer
}

export function isUnloaded(error: unknown): boolean {
  return /not loaded|state 'released'/i.test(String(statusOf(error)?.reason ?? (error instanceof Error ? error.message : '')))
}
