import * as z from 'zod'
import pkg from '../../package.json' with { type: 'json' }
import { answers, bodies } from './answers/components.ts'
import { describe, placeOf } from './openapi-operation.ts'
import { headers, parameters, problemResponses } from './openapi-shared.ts'
import { operations } from './operations/index.ts'

/** OpenAPI 3.1, generated from the very schemas that validate, and from those that the types of the answers are held to. */
export function openApiDocument(): Record<string, unknown> {
  const schemas = schemasOf()
  const paths: Record<string, Record<string, unknown>> = {}
  for (const operation of operations) {
    const path = operation.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: describe(operation) }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Soma Memory', version: pkg.version, description: 'Long-term memory for AI agents.', license: { name: pkg.license, identifier: pkg.license } },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }, { apiKey: [] }, {}],
    paths,
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description:
            'An API key, the API token, or an access token (JWT) of the OpenID Connect issuer that is configured: its claims name the tenant and the scopes. In open mode (AUTH_MODE=open) a call without one acts for the tenant "default".',
        },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'The same, in another header.' },
      },
      parameters,
      headers,
      responses: problemResponses(operations),
      schemas,
    },
  }
}

/** Every schema by name. One that nobody named is named after its operation. */
function schemasOf(): Record<string, unknown> {
  for (const { id, body, answer } of operations) {
    const name = id.charAt(0).toUpperCase() + id.slice(1)
    if (body && !bodies.has(body)) bodies.add(body, { id: `${name}In` })
    if (answer && !answers.has(answer)) answers.add(answer, { id: `${name}Out` })
  }
  const convert = (registry: typeof bodies, io: 'input' | 'output') =>
    Object.entries(z.toJSONSchema(registry, { io, unrepresentable: 'any', uri: (id) => placeOf(id) }).schemas).map(([name, { $schema: _dialect, $id: _id, ...schema }]) => [
      name,
      schema,
    ])
  return Object.fromEntries([...convert(bodies, 'input'), ...convert(answers, 'output')].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)))
}
