import { operations } from './operations.ts'

/** One page without anything from elsewhere: what there is, with an example of each. */
export function docsPage(origin: string): string {
  const rows = operations.map((operation) => {
    const body = operation.example ? ` \\\n  -H 'content-type: application/json' -d '${JSON.stringify(operation.example)}'` : ''
    const method = operation.method === 'GET' ? '' : ` -X ${operation.method}`
    const path = operation.path.replaceAll(/:(\w+)/g, '<$1>')
    return `<section><h2><code>${operation.method} ${escapeHtml(operation.path)}</code></h2><p>${escapeHtml(operation.summary)}${operation.scope ? ` · scope <code>${operation.scope}</code>` : ''}</p>
<pre>${escapeHtml(`curl -s${method} '${origin}${path}'${body}`)}</pre></section>`
  })
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Soma Memory</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}h2{font-size:1rem;margin:1.5rem 0 0}p{margin:.2rem 0}pre{background:#8881;padding:.6rem;overflow:auto;border-radius:4px}</style>
<h1>Soma Memory</h1><p>Every operation, with a line to paste. The full schemas: <a href="/openapi.json">/openapi.json</a>.</p>${rows.join('\n')}</html>`
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
