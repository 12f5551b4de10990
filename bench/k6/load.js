/**
 * Load verification in k6's language: stores, recalls and lists at a constant rate, held to the promises of functions/alerts.ts. `npm run bench -- k6` runs it on a product of its own; for another:
 * SOMA_URL=https://… SOMA_TOKEN=… DURATION=5m RATE=50 OUT=folder k6 run bench/k6/load.js. It works in a namespace of its own and forgets what it stored; the key needs memory:read, memory:write and memory:delete.
 */
import { check, fail, sleep } from 'k6'
import exec from 'k6/execution'
import http from 'k6/http'
import { summaryOf } from './summary.js'
import { thresholds } from './thresholds.ts'

const url = (__ENV.SOMA_URL || 'http://127.0.0.1:9595').replace(/\/+$/, '')
const duration = __ENV.DURATION || '60s'
/** Requests a second, of all scenarios together. */
const rate = Number(__ENV.RATE || 20)
const out = __ENV.OUT || '.'
const corpus = 500
const bulk = 50
const users = 5

/** Of a hundred requests. */
const shares = { store: 30, store_bulk: 5, recall_hybrid: 20, recall_lexical: 20, recall_vector: 20, list: 5 }

export const options = {
  scenarios: Object.fromEntries(
    Object.entries(shares).map(([name, share]) => [
      name,
      {
        executor: 'constant-arrival-rate',
        exec: name,
        duration,
        // whole requests in a hundred seconds, so that a small share of a small rate is not rounded away
        rate: Math.max(1, Math.round(rate * share)),
        timeUnit: '100s',
        // a request finds one while others have been waiting for five seconds; without one it is dropped
        preAllocatedVUs: Math.max(10, Math.ceil((5 * rate * share) / 100)),
      },
    ]),
  ),
  // a tag without a promise is told of only where something is asked of it
  thresholds: { ...thresholds(), ...Object.fromEntries(Object.keys(shares).map((name) => [`http_req_duration{operation:${name}}`, ['max>=0']])) },
  summaryTrendStats: ['count', 'med', 'p(95)', 'p(99)', 'max'],
  setupTimeout: '2m',
  teardownTimeout: '2m',
}

const subjects = ['tea', 'trains', 'chess', 'rain', 'bread', 'maps', 'violins', 'tides', 'lemons', 'granite']
const verbs = ['prefers', 'dislikes', 'studies', 'collects', 'describes', 'remembers', 'repairs']
const places = ['Lisbon', 'Oslo', 'Kyoto', 'Quito', 'Dakar', 'Perth', 'Turin', 'Halifax', 'Cork']

/** A word that no other number has. */
const nameOf = (i) => `subject${i.toString(36)}x`
const textOf = (i) => `${nameOf(i)} ${verbs[i % verbs.length]} ${subjects[i % subjects.length]} in ${places[i % places.length]} since ${1900 + (i % 120)}.`
const memoryOf = (namespace, i) => ({ namespace, user_id: `user-${i % users}`, text: textOf(i), metadata: { source: 'k6' } })

function ask(method, path, body, tags) {
  const headers = { 'content-type': 'application/json', ...(__ENV.SOMA_TOKEN ? { authorization: `Bearer ${__ENV.SOMA_TOKEN}` } : {}) }
  // ids stand in paths: without a name each would be a series of its own
  return http.request(method, `${url}${path}`, body === undefined ? null : JSON.stringify(body), { headers, tags: { name: path, ...tags } })
}

/** Where nobody answers, the status is 0 and there is no body. */
const done = ({ status }) => status >= 200 && status < 300

/** Stores what the recalls ask for, and waits until it has vectors. */
export function setup() {
  const namespace = `load-${Date.now().toString(36)}`
  let last
  for (let first = 0; first < corpus; first += bulk) {
    const items = Array.from({ length: bulk }, (_, i) => memoryOf(namespace, first + i))
    const answer = ask('POST', '/v1/memories/bulk', { items })
    if (!done(answer)) fail(`${url} answered ${answer.status} to the first stores: ${String(answer.body).slice(0, 300)}`)
    last = answer.json('results').at(-1).id
  }
  for (let tries = 0; tries < 60; tries++) {
    if (ask('GET', `/v1/memories/${last}`, undefined, { name: '/v1/memories/{id}' }).json('index_state') === 'indexed') break
    sleep(0.5)
  }
  return { namespace }
}

/** Numbers above the corpus, each once. */
const fresh = (howMany) => corpus + howMany * exec.scenario.iterationInTest

export function store({ namespace }) {
  const answer = ask('POST', '/v1/memories', memoryOf(namespace, 1e6 + fresh(1)), { promise: 'store', operation: 'store' })
  check(answer, { 'a store is answered 201': ({ status }) => status === 201 })
}

export function store_bulk({ namespace }) {
  const first = 1e8 + fresh(bulk)
  const items = Array.from({ length: bulk }, (_, i) => memoryOf(namespace, first + i))
  const answer = ask('POST', '/v1/memories/bulk', { items }, { promise: 'store', operation: 'store_bulk' })
  check(answer, { 'a bulk answers each item': (one) => done(one) && one.json('results').length === bulk })
}

function recall({ namespace }, mode) {
  const wanted = exec.scenario.iterationInTest % corpus
  const body = { namespace, user_id: `user-${wanted % users}`, query: textOf(wanted), mode, top_k: 10 }
  const answer = ask('POST', '/v1/recall', body, { promise: 'recall', operation: `recall_${mode}` })
  check(answer, { [`${mode}: a recall finds what was stored`]: (one) => one.status === 200 && one.json('results').some(({ text }) => text === textOf(wanted)) })
}
export const recall_hybrid = (data) => recall(data, 'hybrid')
export const recall_lexical = (data) => recall(data, 'lexical')
export const recall_vector = (data) => recall(data, 'vector')

export function list({ namespace }) {
  const answer = ask('POST', '/v1/memories/list', { namespace, user_id: 'user-0', limit: 50 }, { operation: 'list' })
  check(answer, { 'a list has a full page': (one) => one.status === 200 && one.json('items').length === 50 })
}

/** Forgets what was stored, by user: a dry run answers what confirms it. Very many are forgotten by an operation, after this. */
export function teardown({ namespace }) {
  for (let user = 0; user < users; user++) {
    const scope = { namespace, user_id: `user-${user}` }
    const counted = ask('POST', '/v1/memories/forget', scope)
    if (counted.status === 200 && counted.json('matched') > 0) ask('POST', '/v1/memories/forget', { ...scope, confirm: counted.json('confirm') })
  }
}

export function handleSummary(data) {
  const text = summaryOf(data, { url, duration, rate, operations: Object.keys(shares) })
  return { stdout: `${text}\n`, [`${out}/summary.json`]: JSON.stringify(data, null, 2), [`${out}/summary.txt`]: `${text}\n` }
}
