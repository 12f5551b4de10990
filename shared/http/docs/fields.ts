// biome-ignore lint/suspicious/noExplicitAny: a JSON Schema is walked by names
export type Schema = any

/** A value as HTML text; also safe in an attribute with double quotes. */
export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&#39;')
}

/** What a schema takes, in a few words: `text, 1 to 256 characters`. */
export function takes(schema: Schema): string {
  if (schema.$ref) return (schema.$ref as string).split('/').at(-1) as string
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum) return schema.enum.join(' | ')
  const choices: Schema[] | undefined = schema.anyOf ?? schema.oneOf
  if (choices) return choices.map(takes).join(' | ')
  if (schema.type === 'array') return [`list of ${takes(schema.items ?? {})}`, range(schema.minItems, schema.maxItems)].filter(Boolean).join(', ')
  if (schema.type === 'string') return ['text', range(schema.minLength, schema.maxLength, 'characters')].filter(Boolean).join(', ')
  if (schema.type === 'integer' || schema.type === 'number') return [schema.type, range(schema.minimum, schema.maximum)].filter(Boolean).join(', ')
  return schema.type ?? 'any'
}

function range(from: number | undefined, to: number | undefined, unit = ''): string {
  const upper = to === undefined || to === Number.MAX_SAFE_INTEGER ? undefined : to
  const lower = from === Number.MIN_SAFE_INTEGER ? undefined : from
  if (lower === undefined && upper === undefined) return ''
  const bounds = lower === undefined ? `at most ${upper}` : upper === undefined ? `at least ${lower}` : `${lower} to ${upper}`
  return [bounds, unit].filter(Boolean).join(' ')
}

/** A table of an object's fields: name, what it takes, what it means. */
export function fieldTable(schema: Schema): string {
  const rows = Object.entries<Schema>(schema.properties ?? {}).map(([name, field]) => {
    const meaning = [schema.required?.includes(name) && 'needed', field.description, field.default !== undefined && `default: ${JSON.stringify(field.default)}`]
    return `<tr><th scope="row"><code>${escapeHtml(name)}</code></th><td>${escapeHtml(takes(field))}</td><td>${escapeHtml(meaning.filter(Boolean).join('; '))}</td></tr>`
  })
  return rows.length ? `<table>${rows.join('')}</table>` : `<p class="mono">${escapeHtml(takes(schema))}</p>`
}
