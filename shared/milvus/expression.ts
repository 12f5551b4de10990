import { type EngineQuery, type Narrow, type Place, placeName } from '../vector/index.ts'

const names = { importance: 'importance', createdMs: 'created', occurredMs: 'occurred', recordedMs: 'recorded' } as const

/** Milvus' boolean expressions, of numbers and of ids that are ours: no text of anybody's stands in one. */
export function searchExpression({ tenantId, namespaceKey, userKey, narrow }: EngineQuery): string {
  const user = userKey === undefined ? [] : [`user == ${whole(userKey)}`]
  return [`tenant == ${whole(tenantId)}`, `namespace == ${whole(namespaceKey)}`, ...user, ...(narrow ? [narrowExpression(narrow)] : [])].join(' and ')
}

function narrowExpression(narrow: Narrow): string {
  if (narrow.kind === 'bound') return `${names[narrow.field]} ${narrow.op} ${narrow.field === 'importance' ? narrow.value : bound(narrow)}`
  if (narrow.kind === 'marked') return narrow.anyOf.length === 1 ? `array_contains(marks, ${narrow.anyOf[0]})` : `array_contains_any(marks, [${narrow.anyOf.join(', ')}])`
  return `(${narrow.parts.map(narrowExpression).join(` ${narrow.kind} `)})`
}

const bound = ({ op, value }: { op: '>=' | '<='; value: number }): number => (op === '>=' ? Math.floor(value) : Math.ceil(value))

export const ofTenant = (tenantId: number): string => `tenant == ${whole(tenantId)}`
export const ofMemories = (tenantId: number, keys: string[]): string => `${ofTenant(tenantId)} and memory in [${keys.map(key).join(', ')}]`
export const between = (tenantId: number, after: string, upTo: string | undefined): string =>
  `${ofTenant(tenantId)} and memory > ${key(after)}${upTo === undefined ? '' : ` and memory <= ${key(upTo)}`}`
export const ofPlaces = (tenantId: number, places: Place[]): string => `${ofTenant(tenantId)} and place in [${places.map((place) => `"${name(place)}"`).join(', ')}]`
export const ofIds = (tenantId: number, ids: string[]): string => `${ofTenant(tenantId)} and id in [${ids.map((id) => `"${uuid(id)}"`).join(', ')}]`

const whole = (value: number): number => Math.trunc(value)
const name = ({ memoryKey, version }: Place): string => placeName({ memoryKey: key(memoryKey), version: whole(version) })

function key(text: string): string {
  if (!/^-?\d{1,19}$/.test(text)) throw new Error('A memory key is a whole number.')
  return text
}

function uuid(text: string): string {
  if (!/^[0-9a-f-]{36}$/i.test(text)) throw new Error('An id is a UUID.')
  return text.toLowerCase()
}
