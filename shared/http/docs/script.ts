/** What makes the page's forms work, as a browser runs it; it goes into the page, and its hash into the Content-Security-Policy. Answers are shown as text, never as HTML. */
export const script = String.raw`
'use strict'
const token = document.getElementById('token')
const longest = 200000
const quoted = (text) => "'" + text.split("'").join("'\\''") + "'"

function requestOf(form) {
  let path = form.dataset.path
  const search = new URLSearchParams()
  const headers = {}
  for (const field of form.querySelectorAll('[data-in]')) {
    if (field.dataset.in === 'path') path = path.replace('{' + field.name + '}', field.value === '' ? '<' + field.name + '>' : encodeURIComponent(field.value))
    else if (field.value !== '' && field.dataset.in === 'query') search.set(field.name, field.value)
    else if (field.value !== '') headers[field.name] = field.value
  }
  const body = form.querySelector('textarea')
  if (body) headers['Content-Type'] = form.dataset.type
  return { method: form.dataset.method, path: path + (search.size ? '?' + search : ''), headers, body: body ? body.value : undefined }
}

function showCurl(form) {
  const { method, path, headers, body } = requestOf(form)
  const lines = ['curl -s' + (method === 'GET' || (method === 'POST' && body !== undefined) ? '' : ' -X ' + method) + ' ' + quoted(location.origin + path)]
  // the token itself stays out of what is copied
  if (token.value) lines.push('-H "Authorization: Bearer $SOMA_TOKEN"')
  for (const name of Object.keys(headers)) lines.push('-H ' + quoted(name + ': ' + headers[name]))
  if (body !== undefined) lines.push((form.dataset.type.endsWith('json') ? '-d ' : '--data-binary ') + quoted(body))
  form.querySelector('.curl').textContent = lines.join(' \\\n  ')
}

function shown(text, type) {
  let pretty = text
  if (/json$/.test(type)) {
    try { pretty = JSON.stringify(JSON.parse(text), null, 2) } catch { pretty = text }
  }
  return pretty.length > longest ? pretty.slice(0, longest) + '\n… ' + (pretty.length - longest) + ' characters more' : pretty
}

function row(table, cells) {
  const line = table.insertRow()
  for (const cell of cells) line.insertCell().textContent = cell
}

async function send(form) {
  const answer = form.parentElement.querySelector('.answer')
  const status = answer.querySelector('.status')
  const part = (name) => answer.querySelector('.' + name)
  const button = form.querySelector('[type=submit]')
  const request = requestOf(form)
  if (token.value) request.headers.Authorization = 'Bearer ' + token.value
  const started = performance.now()
  const said = (good, strong, more) => {
    answer.className = 'answer ' + (good ? 'good' : 'bad')
    status.replaceChildren(Object.assign(document.createElement('b'), { textContent: strong }), Object.assign(document.createElement('span'), { textContent: more }))
  }
  button.disabled = true
  answer.hidden = false
  answer.className = 'answer'
  status.textContent = 'Waiting …'
  part('headers').replaceChildren()
  part('body').textContent = ''
  try {
    const response = await fetch(request.path, { method: request.method, headers: request.headers, body: request.body, signal: AbortSignal.timeout(60000), cache: 'no-store' })
    const text = await response.text()
    said(response.ok, response.status + ' ' + response.statusText, (performance.now() - started).toFixed(1) + ' ms, ' + new Blob([text]).size + ' bytes')
    for (const [name, value] of response.headers) row(part('headers'), [name, value])
    const type = (response.headers.get('content-type') || '').split(';')[0]
    part('body').textContent = text === '' ? '(no body)' : shown(text, type)
    if (response.ok && request.method === 'POST' && /json$/.test(type)) suggest(form.dataset.tag, JSON.parse(text))
  } catch (error) {
    said(false, 'No answer', String(error && error.message || error))
    part('body').textContent = 'The server could not be reached, or did not answer within a minute.'
  }
  button.disabled = false
}

/** What was just made is what the next call of its kind is about. */
function suggest(tag, made) {
  for (const field of document.querySelectorAll('form[data-tag="' + tag + '"] [data-in=path]')) {
    if (made && typeof made[field.name] === 'string') field.value = made[field.name]
    showCurl(field.form)
  }
}

function openTarget() {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)))
  if (target && target.matches('.operation')) target.open = true
}

const forms = [...document.querySelectorAll('main form')]
for (const form of forms) {
  showCurl(form)
  form.addEventListener('input', () => showCurl(form))
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    send(form)
  })
  form.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit()
  })
  const copy = form.querySelector('.copy')
  copy.addEventListener('click', async () => {
    const text = form.querySelector('.curl').textContent
    const done = await navigator.clipboard.writeText(text).then(() => true, () => false)
    copy.textContent = done ? 'Copied' : 'Select it and copy by hand'
    setTimeout(() => { copy.textContent = 'Copy curl' }, 2000)
  })
}
token.addEventListener('input', () => forms.forEach(showCurl))
token.form.addEventListener('submit', (event) => event.preventDefault())
addEventListener('hashchange', openTarget)
openTarget()
`
