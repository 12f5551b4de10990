import { createHash } from 'node:crypto'
import { escapeHtml, fieldTable, type Schema, takes } from './fields.ts'
import { script } from './script.ts'
import { style } from './style.ts'

type Place = { method: string; path: string; operation: Schema }
/** What a `$ref` of the document leads to. */
type Resolve = (node: Schema) => Schema

const hashOf = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`
/** Nothing from elsewhere, no frame around it, and only this very script and style. */
export const docsPolicy = [
  "default-src 'none'",
  `script-src ${hashOf(script)}`,
  `style-src ${hashOf(style)}`,
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** One page without anything from elsewhere: every operation with a form that calls it. */
export function docsPage(document: Schema): string {
  const places: Place[] = Object.entries<Schema>(document.paths).flatMap(([path, methods]) =>
    Object.entries<Schema>(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  )
  const byTag = Map.groupBy(places, ({ operation }) => operation.tags[0] as string)
  const resolve: Resolve = (node) =>
    node.$ref
      ? (node.$ref as string)
          .slice(2)
          .split('/')
          .reduce((at, step) => at[step], document)
      : node
  const sections = [...byTag].map(
    ([tag, here]) =>
      `<section aria-labelledby="tag-${tag}"><h2 id="tag-${tag}">${tag}</h2>${here.map((place, i) => operationOf(place, i === 0 && tag === 'memories', resolve)).join('')}</section>`,
  )
  const links = [...byTag].map(([tag, here]) => `<h2>${tag}</h2><ul>${here.map(linkOf).join('')}</ul>`)
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Soma Memory API</title><link rel="icon" href="data:,"><style>${style}</style></head><body>
<a class="skip" href="#operations">To the operations</a>
<header class="top"><h1>Soma Memory <small>${escapeHtml(document.info.version)}</small></h1><a href="/openapi.json">openapi.json</a>
<form class="credential"><label for="token">Token</label><input id="token" type="password" autocomplete="off" spellcheck="false" placeholder="none, where AUTH_MODE is open"></form></header>
<div class="columns"><nav aria-label="Operations">${links.join('')}</nav>
<main id="operations"><p>Open an operation, change its example and send it: it runs on this server, with the token above. The token stays in this page and is gone when you leave it.</p>
<noscript><p>Sending needs JavaScript; the fields and answers can be read without it.</p></noscript>${sections.join('')}</main></div>
<script>${script}</script></body></html>`
}

function linkOf({ method, path, operation }: Place): string {
  return `<li><a href="#${operation.operationId}" title="${escapeHtml(operation.summary)}"><span class="method ${method}">${method}</span><code>${escapeHtml(path)}</code></a></li>`
}

function operationOf({ method, path, operation }: Place, open: boolean, resolve: Resolve): string {
  const { operationId: id, summary, description = '', requestBody, parameters, tags } = operation
  const [bodyType, content] = Object.entries<Schema>(requestBody?.content ?? {})[0] ?? []
  const [inHeaders = [], inPlace = []] = [true, false].map((header) => parameters.map(resolve).filter((one: Schema) => (one.in === 'header') === header))
  return `<details class="operation" id="${id}"${open ? ' open' : ''}><summary><span class="method ${method}">${method}</span><h3><code>${escapeHtml(path)}</code></h3><span>${escapeHtml(summary)}</span></summary>
<div class="inside">${description ? `<p>${escapeHtml(description)}</p>` : ''}
<form aria-label="${method} ${escapeHtml(path)}" data-method="${method}" data-path="${escapeHtml(path)}" data-tag="${escapeHtml(tags[0])}" data-type="${escapeHtml(bodyType ?? '')}">
${fieldsOf(id, inPlace)}${content ? bodyField(id, content) : ''}${more('Headers to send', fieldsOf(id, inHeaders))}
<div class="actions"><button type="submit">Send</button><button type="button" class="copy">Copy curl</button>${content ? '<span class="hint">Ctrl+Enter sends</span>' : ''}</div>
<pre class="curl" tabindex="0" role="group" aria-label="curl line of ${method} ${escapeHtml(path)}"></pre></form>
<section class="answer" aria-live="polite" aria-label="Answer of ${method} ${escapeHtml(path)}" hidden><p class="status"></p><pre class="body" tabindex="0" role="group" aria-label="Body"></pre>
<details class="more"><summary>Headers</summary><table class="headers"></table></details></section>
${content ? more('Fields of the body', fieldTable(resolve(content.schema))) : ''}${more('Answers', answersOf(operation.responses, resolve))}</div></details>`
}

const more = (title: string, inside: string) => `<details class="more"><summary>${title}</summary>${inside}</details>`

function fieldsOf(operation: string, parameters: Schema[]): string {
  return parameters.length ? `<div class="fields">${parameters.map((one) => parameterField(operation, one)).join('')}</div>` : ''
}

function parameterField(operation: string, { name, in: place, description = '', required, schema, example }: Schema): string {
  const id = `${operation}-${place}-${name}`
  // a parameter that is not needed begins empty: what stands there is what is sent
  const value = example !== undefined && required ? ` value="${escapeHtml(String(example))}"` : ''
  const hint = example === undefined ? takes(schema) : String(example)
  return `<div><label for="${id}">${escapeHtml(name)} <small>${place}${required ? ', needed' : ''}</small></label><input id="${id}" name="${escapeHtml(name)}" data-in="${place}"${value} placeholder="${escapeHtml(hint)}"
 autocomplete="off" spellcheck="false"${required ? ' required' : ''}${description ? ` aria-describedby="${id}-note"` : ''}>${description ? `<p class="note" id="${id}-note">${escapeHtml(description)}</p>` : ''}</div>`
}

function bodyField(operation: string, { example }: Schema): string {
  const text = typeof example === 'string' ? example : JSON.stringify(example ?? {}, null, 2)
  const lines = Math.min(20, Math.max(4, text.split('\n').length + 1))
  return `<label for="${operation}-body">Body</label><textarea id="${operation}-body" rows="${lines}" spellcheck="false">${escapeHtml(text)}</textarea>`
}

function answersOf(responses: Record<string, Schema>, resolve: Resolve): string {
  const rows = Object.entries(responses).map(([status, response]) => {
    const { description, content = {} } = resolve(response)
    const [[type, { schema }] = ['', { schema: {} }]] = Object.entries<Schema>(content)
    const what = type === 'application/problem+json' ? 'Problem' : schema.$ref ? takes(schema) : type || '–'
    return `<tr><th scope="row">${status}</th><td>${escapeHtml(what)}</td><td>${escapeHtml(description)}</td></tr>`
  })
  return `<table>${rows.join('')}</table>`
}
