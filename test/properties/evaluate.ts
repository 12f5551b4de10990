/** What a filter means, written plainly: the product compiles it to SQL, this walks over the memory as the API answers it. */
export type Memory = Record<string, unknown>

const times = new Set(['occurred_at', 'valid_from', 'valid_to', 'expires_at', 'created_at', 'updated_at'])
const absent = (value: unknown) => value === undefined || value === null
/** Texts by code point, which is the order of their UTF-8 bytes. */
const compareTexts = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))

export function matches(filter: Record<string, unknown>, memory: Memory): boolean {
  return Object.entries(filter).every(([name, value]) => {
    if (name === 'AND') return (value as Record<string, unknown>[]).every((part) => matches(part, memory))
    if (name === 'OR') return (value as Record<string, unknown>[]).some((part) => matches(part, memory))
    if (name === 'NOT') return !matches(value as Record<string, unknown>, memory)
    const isCondition = typeof value === 'object' && value !== null && !Array.isArray(value)
    return Object.entries(isCondition ? value : { eq: value }).every(([op, operand]) => holds(name, op.replace('$', ''), operand, memory))
  })
}

function holds(name: string, op: string, operand: unknown, memory: Memory): boolean {
  if (op === 'ne') return !holds(name, 'eq', operand, memory)
  if (op === 'nin') return !holds(name, 'in', operand, memory)
  const value = valueAt(name, memory)
  if (name === 'tags') return tagsHold(value as string[], op, operand)
  if (op === 'exists') return absent(value) !== operand
  if (op === 'eq' && operand === null) return absent(value)
  if (absent(value)) return false
  if (times.has(name)) return compare(op, Date.parse(value as string), operand, (one) => Date.parse(one as string))
  return compare(op, value, operand, (one) => one)
}

function valueAt(name: string, memory: Memory): unknown {
  const [column = '', ...path] = name.split('.')
  let value = memory[column]
  for (const step of path) value = typeof value === 'object' && value !== null && !Array.isArray(value) && Object.hasOwn(value, step) ? (value as Memory)[step] : undefined
  return value
}

function compare(op: string, value: unknown, operand: unknown, read: (operand: unknown) => unknown): boolean {
  if (op === 'in') return (operand as unknown[]).some((one) => read(one) === value)
  const other = read(operand)
  if (op === 'eq') return other === value
  if (op === 'contains' || op === 'icontains') return contains(value, other, op === 'icontains')
  if (typeof value !== typeof other || (typeof value !== 'number' && typeof value !== 'string')) return false
  const order = typeof value === 'string' ? compareTexts(value, other as string) : value - (other as number)
  return { gt: order > 0, gte: order >= 0, lt: order < 0, lte: order <= 0 }[op as 'gt']
}

/** Membership on lists, substring on texts. */
function contains(value: unknown, operand: unknown, fold: boolean): boolean {
  const read = (one: unknown) => (fold && typeof one === 'string' ? one.toLowerCase() : one)
  if (Array.isArray(value)) return value.some((one) => read(one) === read(operand))
  return typeof value === 'string' && typeof operand === 'string' && (read(value) as string).includes(read(operand) as string)
}

function tagsHold(tags: string[], op: string, operand: unknown): boolean {
  if (op === 'exists') return tags.length > 0 === operand
  if (op === 'eq') return operand === null ? tags.length === 0 : JSON.stringify(tags) === JSON.stringify(operand)
  if (op === 'in') return (operand as string[]).some((tag) => tags.includes(tag))
  return contains(tags, operand, op === 'icontains')
}
