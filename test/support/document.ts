import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import { expect } from 'vitest'
import { type Operation, openApiDocument } from '../../shared/http/index.ts'
import type { Answer } from './engines.ts'

// biome-ignore lint/suspicious/noExplicitAny: a document is walked by names
type Json = any

export const document: Json = openApiDocument()
const ajv = new Ajv2020({ strict: false, allErrors: true })
formats.default(ajv)
ajv.addSchema({ $id: 'soma:openapi', ...document })

const escaped = (step: string) => encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1'))
const compiled = new Map<string, ValidateFunction>()
/** A schema of the document, by the steps that lead to it. */
export function validatorAt(...steps: string[]): ValidateFunction {
  const at = `soma:openapi#/${steps.map(escaped).join('/')}`
  const known = compiled.get(at) ?? ajv.compile({ $ref: at })
  compiled.set(at, known)
  return known
}

function resolved(node: Json): { node: Json; steps?: string[] } {
  if (node?.$ref === undefined) return { node }
  const steps = (node.$ref as string).slice(2).split('/')
  return { node: steps.reduce((at, step) => at[step], document), steps }
}

export const described = ({ path, method }: Operation): Json => document.paths[path.replaceAll(/:(\w+)/g, '{$1}')][method.toLowerCase()]

/** Whether a body is one that the document describes. */
export function fitsBody(operation: Operation, body: unknown): boolean {
  const [type] = Object.keys(described(operation).requestBody.content)
  return validatorAt('paths', operation.path.replaceAll(/:(\w+)/g, '{$1}'), operation.method.toLowerCase(), 'requestBody', 'content', type as string, 'schema')(body)
}

/** The answer is one that the document describes for this operation: its status, its headers, its media type and its body. */
export function expectDescribed(operation: Operation, answer: Answer): void {
  const said = `${operation.id} answered ${answer.status} ${answer.text.slice(0, 600)}`
  const response = described(operation).responses[answer.status]
  expect(response, said).toBeDefined()
  const { node, steps } = resolved(response)
  for (const [name, header] of Object.entries<Json>(node.headers ?? {})) {
    const { node: takes, steps: place } = resolved(header)
    const value = answer.headers.get(name)
    if (takes.required) expect(value, `${name} of ${said}`).not.toBeNull()
    if (value !== null && place) expect(validatorAt(...place, 'schema')(value), `${name}: ${value} of ${said}`).toBe(true)
  }
  const [media] = Object.keys(node.content ?? {})
  if (media === undefined) {
    expect(answer.text, said).toBe('')
    return
  }
  expect(answer.headers.get('content-type')?.split(';')[0], said).toBe(media)
  if (!/[/+]json$/.test(media)) return
  const here = steps ?? ['paths', operation.path.replaceAll(/:(\w+)/g, '{$1}'), operation.method.toLowerCase(), 'responses', String(answer.status)]
  const validate = validatorAt(...here, 'content', media, 'schema')
  expect(validate(answer.body) ? [] : validate.errors, said).toEqual([])
}
