/** One line of a chart: a value, or none, for each size. */
export type Series = { name: string; values: (number | undefined)[] }
export type Chart = { title: string; unit: string; series: Series[] }

const colors = ['#1f6feb', '#d1570a', '#2d8a4e', '#8250df']
const panel = { width: 380, height: 320, left: 56, right: 16, top: 40, bottom: 104 }

/** Charts side by side, both axes logarithmic, as an SVG of its own. */
export function drawGrowth(sizes: readonly number[], charts: readonly Chart[]): string {
  const panels = charts.map((chart, at) => `<g transform="translate(${at * panel.width} 0)">${drawChart(sizes, chart)}</g>`)
  const width = charts.length * panel.width
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${panel.height}" width="${width}" height="${panel.height}" font-family="system-ui, sans-serif" font-size="12" fill="#24292f">
<title>${charts.map(({ title }) => title).join('; ')}, by the number of memories</title>
<rect width="${width}" height="${panel.height}" fill="#ffffff"/>
${panels.join('\n')}
</svg>
`
}

function drawChart(sizes: readonly number[], { title, unit, series }: Chart): string {
  const values = series.flatMap(({ values }) => values.filter((one) => one !== undefined))
  const powers = [Math.floor(Math.log10(Math.min(...values))), Math.ceil(Math.log10(Math.max(...values)))] as const
  const x = scaled(Math.log10(sizes[0] as number), Math.log10(sizes.at(-1) as number), panel.left, panel.width - panel.right)
  const y = scaled(powers[0], powers[1], panel.height - panel.bottom, panel.top)
  const parts = [`<text x="${panel.left}" y="20" font-weight="600">${title}</text>`]
  for (let power = powers[0]; power <= powers[1]; power++) {
    const at = y(power)
    parts.push(`<line x1="${panel.left}" x2="${panel.width - panel.right}" y1="${at}" y2="${at}" stroke="#d0d7de"/>`)
    parts.push(`<text x="${panel.left - 6}" y="${at + 4}" text-anchor="end">${short(10 ** power)}${unit}</text>`)
  }
  for (const size of sizes) parts.push(`<text x="${x(Math.log10(size))}" y="${panel.height - panel.bottom + 18}" text-anchor="middle">${short(size)}</text>`)
  for (const [index, { name, values }] of series.entries()) {
    const color = colors[index % colors.length]
    const points = values.flatMap((value, at) => (value === undefined ? [] : [`${x(Math.log10(sizes[at] as number)).toFixed(1)},${y(Math.log10(value)).toFixed(1)}`]))
    parts.push(`<polyline points="${points.join(' ')}" fill="none" stroke="${color}" stroke-width="2"/>`)
    for (const point of points) parts.push(`<circle cx="${point.split(',')[0]}" cy="${point.split(',')[1]}" r="3" fill="${color}"/>`)
    const row = panel.height - panel.bottom + 38 + 15 * index
    parts.push(`<rect x="${panel.left}" y="${row - 9}" width="10" height="10" fill="${color}"/><text x="${panel.left + 16}" y="${row}">${name}</text>`)
  }
  return parts.join('\n')
}

const scaled = (low: number, high: number, from: number, to: number) => (value: number) => from + ((value - low) / (high - low || 1)) * (to - from)
const short = (value: number) => (value >= 1e6 ? `${value / 1e6}M` : value >= 1e3 ? `${value / 1e3}k` : String(value))
