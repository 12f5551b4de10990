import { invalidField } from '../../shared/problem/index.ts'

type Kind = 'text' | 'number' | 'boolean' | 'json'

/** A query string in the types of the body that the same operation takes by POST; what is absent stays absent. @throws AppError invalid */
export function typed(query: Record<string, string | undefined>, kinds: Record<string, Kind>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(query).flatMap(([name, text]) => (text === undefined ? [] : [[name, parseValue(name, text, kinds[name] ?? 'text')]])))
}

function parseValue(name: string, text: string, kind: Kind): unknown {
  if (kind === 'text') return text
  if (kind === 'number') {
    if (!/^\d{1,9}$/.test(text)) throw invalidField(`/${name}`, 'takes a whole number')
    return Number(text)
  }
  if (kind === 'boolean') {
    if (text !== 'true' && text !== 'false') throw invalidField(`/${name}`, 'takes true or false')
    return text === 'true'
  }
  try {
    return JSON.parse(text)
  } catch {
    throw invalidField(`/${name}`, 'takes JSON, such as {"payload.run_id":"7"}')
  }
}
