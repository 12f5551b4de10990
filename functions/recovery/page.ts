import { createHash } from 'node:crypto'
import { html, raw } from 'hono/html'
import type { DrillReport } from '../../shared/drill/index.ts'
import type { RunDetails } from '../../shared/recovery/index.ts'

const style = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}
h1{font-size:1.4rem}table{border-collapse:collapse;width:100%;margin:1rem 0}th,td{text-align:left;padding:.4rem .6rem;border-bottom:1px solid #d8d8d8;vertical-align:top}
.good{color:#0a6b2d}.bad{color:#a3140c;font-weight:600}pre{white-space:pre-wrap;word-break:break-all;background:#f5f5f5;padding:.6rem}
@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}th,td{border-color:#3a3a3a}.good{color:#5fd38a}.bad{color:#ff8a80}pre{background:#222}}`
/** Nothing from elsewhere, no script, and only this very style. */
export const pagePolicy = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

/** A drill for people: what was proved, by which checks, with which figures. Every text in it is escaped. */
export async function drillPage(run: RunDetails): Promise<string> {
  const report = run.report as DrillReport | null
  const verdict = run.state === 'succeeded' ? html`<p class="good">The backup was restored and is what it was.</p>` : html`<p class="bad">${told(run)}</p>`
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Drill ${run.id}</title><style>${raw(style)}</style></head><body>
<h1>Drill of ${run.archive ?? 'no backup'}</h1>
${verdict}
${report ? figures(report) : ''}
${report ? checks(report) : ''}
${run.signature ? html`<h2>Signature</h2><p>Ed25519, over the report's bytes as <code>signed_report</code> of the JSON form has them:</p><pre>${run.signature}</pre>` : ''}
</body></html>`
  return String(await page)
}

const told = ({ state, problem }: RunDetails) =>
  state === 'failed' ? `It failed: ${problem ?? 'no reason is known'}` : state === 'running' ? 'It is going on.' : 'It was asked for and has not begun.'

function figures(report: DrillReport) {
  const { recall } = report
  const rows: [string, string][] = [
    ['The backup is of', report.instant ?? 'unknown'],
    ['What would be lost (RPO)', seconds(report.rpo_seconds)],
    ['Until the copy was there and examined (RTO)', seconds(report.rto_seconds)],
    ['Of these: reading and checking the archive, restoring, examining', `${report.seconds.verify} s, ${report.seconds.restore} s, ${report.seconds.examine} s`],
    ['Rows, tenants, bytes of the archive', `${report.rows}, ${report.tenants}, ${report.bytes}`],
    ['Questions asked again; answered to the letter', `${recall.questions}; ${recall.same}`],
    ['Answers that came again', `${Math.round(recall.overlap * 1000) / 10} %`],
    ['95 % of them within, here and in the live database', `${recall.p95_ms ?? 0} ms, ${recall.live_p95_ms ?? 0} ms`],
    ['Began, ended', `${report.started_at}, ${report.ended_at}`],
  ]
  return html`<table><tbody>${rows.map(([name, value]) => html`<tr><th scope="row">${name}</th><td>${value}</td></tr>`)}</tbody></table>`
}

function checks(report: DrillReport) {
  const line = ({ name, ok, detail }: DrillReport['checks'][number]) =>
    html`<tr><td class="${ok ? 'good' : 'bad'}">${ok ? 'ok' : 'FAILED'}</td><td>${name}</td><td>${detail}</td></tr>`
  return html`<h2>Checks</h2><table><thead><tr><th scope="col">result</th><th scope="col">check</th><th scope="col">what it found</th></tr></thead><tbody>${report.checks.map(line)}</tbody></table>`
}

const seconds = (value: number | null) => (value === null ? 'unknown' : `${value} s`)
