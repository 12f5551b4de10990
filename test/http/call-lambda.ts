/** Calls Lambda entries in order, as the service would: `node test/http/call-lambda.ts '[["store", {…event}], …]'` prints their answers. */
const calls = JSON.parse(process.argv[2] as string) as [string, unknown][]
const answers: unknown[] = []
for (const [name, event] of calls) {
  const { handler } = await import(`../../functions/${name}/lambda.ts`)
  answers.push(await handler(event, { getRemainingTimeInMillis: () => 30_000 }))
}
console.log(JSON.stringify(answers))
process.exit(0)

export {}
