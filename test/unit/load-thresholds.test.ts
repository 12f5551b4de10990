import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { thresholds } from '../../bench/k6/thresholds.ts'
import { slos } from '../../functions/alerts.ts'

test('k6 holds stores and recalls to the promises that alerts are made of', () => {
  const asked = thresholds()
  for (const { name, available, fast, withinSeconds } of slos) {
    const [, failed] = /^rate<([\d.]+)$/.exec(asked[`http_req_failed{promise:${name}}`]?.[0] ?? '') ?? []
    const [, percentile, ms] = /^p\((\d+)\)<(\d+)$/.exec(asked[`http_req_duration{promise:${name}}`]?.[0] ?? '') ?? []
    expect(1 - Number(failed)).toBeCloseTo(available, 9)
    expect([Number(percentile) / 100, Number(ms) / 1000]).toEqual([fast, withinSeconds])
  }
  expect(asked).toMatchObject({
    http_req_failed: ['rate<0.001'],
    'http_req_duration{promise:store}': ['p(95)<750'],
    'http_req_duration{promise:recall}': ['p(95)<500'],
    checks: ['rate>0.999'],
  })
})

test('the script asks what the promises are about, and tags it so', () => {
  const script = readFileSync('bench/k6/load.js', 'utf8')
  const tagged = [...script.matchAll(/ask\('POST', '([^']+)', [^\n]+promise: '(\w+)'/g)].map(([, path, promise]) => ({ path, promise }))
  expect(tagged.map(({ promise }) => promise)).toEqual(['store', 'store', 'recall'])
  for (const { path, promise } of tagged) expect(slos.find(({ name }) => name === promise)?.endpoints).toContain(path)
})
