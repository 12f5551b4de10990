import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startLocal } from '../../local/serve.ts'
import { parseConfig } from '../../shared/config/index.ts'
import { operations } from '../../shared/http/index.ts'
import { createLog } from '../../shared/telemetry/index.ts'
import { requireService } from '../support/services.ts'
import { embeddedCopy } from '../support/template.ts'

const executablePath = requireService('CHROMIUM_PATH')
const token = 'a token of the browser test'

/** A page of its own on /docs, with everything that it said or asked for. */
async function openDocs(browser: Browser, url: string): Promise<{ page: Page; complaints: string[]; hosts: Set<string> }> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
  const complaints: string[] = []
  const hosts = new Set<string>()
  page.on('console', (message) => {
    // an answer that is a problem is logged by the browser itself
    if (['error', 'warning'].includes(message.type()) && !/status of 4\d\d/.test(message.text())) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('request', (request) => hosts.add(new URL(request.url()).host))
  await page.goto(`${url}/docs`)
  return { page, complaints, hosts }
}

/** Opens an operation, by its name in the list, and gives its form and its answer. */
async function operation(page: Page, id: string) {
  await page.locator(`nav a[href="#${id}"]`).click()
  const place = page.locator(`#${id}`)
  const answer = place.locator('.answer')
  return {
    place,
    async send(): Promise<{ status: string; body: string }> {
      await place.getByRole('button', { name: 'Send' }).click()
      await answer.locator('.status b').waitFor()
      return { status: (await answer.locator('.status b').textContent()) ?? '', body: (await answer.locator('.body').textContent()) ?? '' }
    },
  }
}

describe.skipIf(!executablePath)(`the docs page in Chromium${executablePath ? '' : ' (skipped: no CHROMIUM_PATH)'}`, () => {
  let browser: Browser
  const servers: Awaited<ReturnType<typeof startLocal>>[] = []
  const start = async (env: Record<string, string>) => {
    const server = await startLocal(parseConfig({ PORT: '0', SOMA_DATA_DIR: await embeddedCopy(), LOG_LEVEL: 'silent', ...env }), createLog('silent'))
    servers.push(server)
    return server
  }

  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: executablePath as string,
      args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
    })
  })
  afterAll(async () => {
    await browser?.close()
    for (const server of servers) await server.close()
  })

  test('stores a memory, recalls it and reads it by the id that was suggested, with nothing from another host and no complaint', async () => {
    const { url } = await start({ AUTH_MODE: 'open' })
    const { page, complaints, hosts } = await openDocs(browser, url)
    expect(await page.locator('main form').count()).toBe(operations.length)

    const store = await operation(page, 'storeMemory')
    await store.place.getByLabel('Body').first().fill('{"text":"Grace keeps <b>bees</b> & \'honey\'","user_id":"grace"}')
    const stored = await store.send()
    expect(stored.status).toBe('201 Created')
    const { id } = JSON.parse(stored.body) as { id: string }
    expect(await store.place.locator('.answer b b, .body b').count()).toBe(0)
    expect(await store.place.locator('.curl').textContent()).toBe(
      `curl -s '${url}/v1/memories' \\\n  -H 'Content-Type: application/json' \\\n  -d '{"text":"Grace keeps <b>bees</b> & '\\''honey'\\''","user_id":"grace"}'`,
    )
    await store.place.locator('.answer .more > summary').click()
    expect(await store.place.locator('.headers').textContent()).toContain('etag"1"')

    const recall = await operation(page, 'recall')
    await recall.place.getByLabel('Body').first().fill('{"query":"who keeps bees?","user_id":"grace"}')
    // by the keyboard alone
    await recall.place.getByLabel('Body').first().press('Control+Enter')
    await recall.place.locator('.status b').waitFor()
    expect(await recall.place.locator('.body').first().textContent()).toContain(id)

    const read = await operation(page, 'getMemory')
    expect(await read.place.locator('input[data-in=path]').inputValue()).toBe(id)
    expect(JSON.parse((await read.send()).body)).toMatchObject({ id, text: "Grace keeps <b>bees</b> & 'honey'" })

    const bad = await operation(page, 'guideRecallGet')
    await bad.place.locator('input[data-in=query][name=top_k]').fill('101')
    const refused = await bad.send()
    expect(refused.status).toMatch(/^422/)
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'invalid', errors: [{ pointer: '/top_k' }] })

    expect(complaints).toEqual([])
    expect([...hosts]).toEqual([new URL(url).host])
    if (process.env.DOCS_SCREENSHOT) await page.screenshot({ path: process.env.DOCS_SCREENSHOT })
    await page.close()
  })

  test('with a token: refused without it, served with it, and the token is in nothing that is copied', async () => {
    const { url } = await start({ AUTH_MODE: 'token', SOMA_API_TOKEN: token.replaceAll(' ', '-') })
    const { page, complaints } = await openDocs(browser, url)
    const stats = await operation(page, 'guideStats')
    expect((await stats.send()).status).toBe('401 Unauthorized')
    await page.getByLabel('Token').fill(token.replaceAll(' ', '-'))
    await stats.place.getByRole('button', { name: 'Send' }).click()
    await stats.place.locator('.answer.good').waitFor()
    expect(JSON.parse((await stats.place.locator('.body').textContent()) ?? '')).toMatchObject({ total_memories: 0 })
    expect(await stats.place.locator('.curl').textContent()).toBe(`curl -s '${url}/stats' \\\n  -H "Authorization: Bearer $SOMA_TOKEN"`)
    expect(await page.content()).not.toContain(token.replaceAll(' ', '-'))
    expect(complaints).toEqual([])
    await page.close()
  })

  test('every field has a label and every id is there once; scripts of another text do not run', async () => {
    const { url } = await start({ AUTH_MODE: 'open' })
    const { page, complaints } = await openDocs(browser, url)
    const found = await page.evaluate(`(() => {
      const fields = [...document.querySelectorAll('input, textarea')]
      const ids = [...document.querySelectorAll('[id]')].map((one) => one.id)
      return { fields: fields.length, unlabelled: fields.filter((one) => one.labels.length === 0).map((one) => one.id), twice: ids.filter((id, i) => ids.indexOf(id) !== i) }
    })()`)
    expect(found).toMatchObject({ fields: expect.any(Number), unlabelled: [], twice: [] })
    await page.evaluate(`(() => {
      const injected = document.createElement('script')
      injected.textContent = 'document.title = "taken over"'
      document.body.append(injected)
    })()`)
    expect(await page.title()).toBe('Soma Memory API')
    expect(complaints.join()).toMatch(/Content Security Policy/i)
    await page.close()
  })
})
