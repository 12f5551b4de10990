import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import Provider from 'oidc-provider'

type Client = { id: string; claims: Record<string, unknown>; scopes: string[]; alg?: string }
export type OidcServer = {
  issuer: string
  /** An access token by the grant of client credentials, for the audience `soma`, with all scopes of the client. */
  token(client: string): Promise<string>
  /** Signs with a new key from here on. The one before is published `beside` it, or not any more. */
  rotate(beside: boolean): Promise<void>
  /** Paths that were asked for since the last call. */
  asked(): string[]
  /** Nobody answers until `back`. */
  away(): void
  back(): void
  close(): Promise<void>
}

const secret = 'a secret of the tests'
const audience = 'soma'

/** A certified OpenID provider (the package oidc-provider) on a free port of loopback: discovery, keys and tokens are its own. */
export async function startOidcServer(clients: readonly Client[]): Promise<OidcServer> {
  let keys: JWK[] = await newKeys()
  let answer: ReturnType<Provider['callback']> | undefined
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    if (answer) answer(request, response)
    else request.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const serve = () => {
    answer = providerOf(issuer, keys, clients).callback()
  }
  serve()
  return {
    issuer,
    async token(client) {
      const scope = clients.find(({ id }) => id === client)?.scopes.join(' ') ?? ''
      const body = new URLSearchParams({ grant_type: 'client_credentials', resource: 'urn:soma', scope })
      const response = await fetch(`${issuer}/token`, { method: 'POST', body, headers: { authorization: `Basic ${btoa(`${client}:${encodeURIComponent(secret)}`)}` } })
      const { access_token: token, ...rest } = (await response.json()) as { access_token?: string }
      if (!token) throw new Error(`The OpenID provider gave no token: ${JSON.stringify(rest)}`)
      return token
    },
    async rotate(beside) {
      keys = [...(await newKeys()), ...(beside ? keys : [])]
      serve()
    },
    asked: () => asked.splice(0),
    away() {
      answer = undefined
    },
    back: serve,
    close: () => new Promise((resolve) => server.close(() => resolve()).closeAllConnections()),
  }
}

/** One of each algorithm that its clients ask for. */
async function newKeys(): Promise<JWK[]> {
  return Promise.all(
    ['ES256', 'RS256', 'EdDSA'].map(async (alg) => {
      const { privateKey } = await generateKeyPair(alg, { extractable: true })
      return { ...(await exportJWK(privateKey)), alg, use: 'sig', kid: randomUUID() }
    }),
  )
}

function providerOf(issuer: string, keys: JWK[], clients: readonly Client[]): Provider {
  const of = (id: string) => clients.find((client) => client.id === id)
  const resourceServer = (_context: unknown, _resource: string, { clientId }: { clientId: string }) => ({
    audience,
    scope: of(clientId)?.scopes.join(' ') ?? '',
    accessTokenTTL: 600,
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: of(clientId)?.alg ?? 'ES256' } },
  })
  return new Provider(issuer, {
    jwks: { keys },
    cookies: { keys: [secret] },
    scopes: [...new Set(clients.flatMap(({ scopes }) => scopes))],
    clients: clients.map(({ id }) => ({ client_id: id, client_secret: secret, grant_types: ['client_credentials'], redirect_uris: [], response_types: [] })),
    extraTokenClaims: (_context: unknown, { clientId }: { clientId: string }) => of(clientId)?.claims,
    ttl: { ClientCredentials: 600 },
    adapter: KeepsNothing,
    features: { devInteractions: { enabled: false }, clientCredentials: { enabled: true }, resourceIndicators: { enabled: true, getResourceServerInfo: resourceServer } },
  })
}

/** Its tokens are JWTs, and its clients are above: there is nothing to keep. */
class KeepsNothing {
  async find(): Promise<undefined> {}
  async upsert(): Promise<void> {}
}
