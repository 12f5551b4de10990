const ms = (value) => (value === undefined ? '-' : `${value.toFixed(1)} ms`)
const percent = (rate) => `${(100 * rate).toFixed(2)} %`

function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  return rows.map((row) => row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join('  ')).join('\n')
}

/** What k6 counted, for people: an operation a line, what recalls found, and each threshold with whether it was kept. */
export function summaryOf({ metrics }, { url, duration, rate, operations }) {
  const latency = operations.map((name) => {
    const values = metrics[`http_req_duration{operation:${name}}`]?.values ?? {}
    return [name, String(values.count ?? 0), ms(values.med), ms(values['p(95)']), ms(values['p(99)']), ms(values.max)]
  })
  const kept = Object.entries(metrics).flatMap(([name, { thresholds = {} }]) =>
    Object.entries(thresholds)
      .filter(([asked]) => asked !== 'max>=0')
      .map(([asked, { ok }]) => `${ok ? 'ok  ' : 'FAIL'}  ${name}  ${asked}`),
  )
  const { passes = 0, fails = 0 } = metrics.checks?.values ?? {}
  return [
    `k6 against ${url}: ${rate} requests a second for ${duration}`,
    table([['operation', 'requests', 'p50', 'p95', 'p99', 'max'], ...latency]),
    `${percent(metrics.http_req_failed?.values.rate ?? 1)} of ${metrics.http_reqs?.values.count ?? 0} requests failed; ${passes} of ${passes + fails} checks passed.`,
    kept.join('\n'),
  ].join('\n\n')
}
