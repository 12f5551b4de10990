import * as z from 'zod'
import { answers, bodies } from './answers/components.ts'
import { problemSets, rateLimits, withRequestId } from './openapi-shared.ts'
import type { Operation, Parameter } from './operations/index.ts'

export const placeOf = (id: string) => `#/components/schemas/${id}`
const reference = (kind: 'parameters' | 'headers' | 'responses', name: string) => ({ $ref: `#/components/${kind}/${name}` })

/** One operation as OpenAPI says it; its schemas are among the components already. */
export function describe(operation: Operation): Record<string, unknown> {
  const { id, path, summary, description, scope, body, bodyType = 'application/json', example } = operation
  const parameters = [
    ...[...path.matchAll(/:(\w+)/g)].map(([, name = '']) => parameter(name, 'path', operation.params?.[name] ?? '')),
    ...Object.entries(operation.query ?? {}).map(([name, given]) => parameter(name, 'query', given)),
    ...(operation.idempotent ? [reference('parameters', 'IdempotencyKey')] : []),
    ...(operation.ifMatch ? [reference('parameters', 'IfMatch')] : []),
    ...(scope === undefined ? [] : [reference('parameters', 'TenantId')]),
    reference('parameters', 'RequestId'),
  ]
  const schema = body && { $ref: placeOf((bodies.get(body) as { id: string }).id) }
  return {
    operationId: id,
    tags: [tagOf(operation)],
    summary,
    ...(description || scope ? { description: [description, scope && `Needs the scope ${scope}.`].filter(Boolean).join(' ') } : {}),
    ...(scope ? {} : { security: [] }),
    parameters,
    ...(schema ? { requestBody: { required: true, content: { [bodyType]: { schema, ...(example === undefined ? {} : { example }) } } } } : {}),
    responses: responsesOf(operation),
  }
}

/** What an operation is about: the first step of its path under /v1; the others are the guides' or the host's. */
export function tagOf({ path, scope }: Operation): string {
  return /^\/v1\/([^/]+)/.exec(path)?.[1] ?? (scope ? 'guides' : 'status')
}

function parameter(name: string, place: 'path' | 'query', given: string | Parameter): Record<string, unknown> {
  const { description, schema, required, example }: Parameter = typeof given === 'string' ? { description: given } : given
  const { $schema: _dialect, ...takes } = schema ? z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) : { type: 'string' }
  return {
    name,
    in: place,
    ...(description ? { description } : {}),
    ...(place === 'path' || required ? { required: true } : {}),
    schema: takes,
    ...(example === undefined ? {} : { example }),
  }
}

function responsesOf(operation: Operation): Record<string, unknown> {
  const { success, scope, also = {}, answer, answerType = 'application/json', idempotent, etag } = operation
  const schema = answer ? { $ref: placeOf((answers.get(answer) as { id: string }).id) } : { type: 'string' }
  const headers = {
    ...withRequestId,
    ...(scope === undefined ? {} : rateLimits),
    ...(etag ? { ETag: reference('headers', 'ETag') } : {}),
    ...(idempotent ? { 'Idempotent-Replayed': reference('headers', 'IdempotentReplayed') } : {}),
  }
  const done = (description: string) => ({ description, headers, ...(answer || operation.answerType ? { content: { [answerType]: { schema } } } : {}) })
  return {
    [success]: done('Done'),
    ...Object.fromEntries(Object.entries(also).map(([status, meaning]) => [status, done(meaning)])),
    ...Object.fromEntries([...problemSets(operation)].map(([status, { name }]) => [status, reference('responses', name)])),
  }
}
