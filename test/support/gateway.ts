/** What API Gateway makes of a request (payload 2.0), and of a function's answer. */
export async function gatewayEvent(request: Request): Promise<object> {
  const { pathname: rawPath, search } = new URL(request.url)
  const http = { method: request.method, path: rawPath, protocol: 'HTTP/1.1', sourceIp: '192.0.2.1', userAgent: 'test' }
  const requestContext = {
    accountId: '1',
    apiId: 'a',
    domainName: 'api.example',
    domainPrefix: 'api',
    http,
    requestId: 'r',
    routeKey: '$default',
    stage: '$default',
    time: '',
    timeEpoch: 0,
  }
  const body = await request.text()
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath,
    rawQueryString: search.slice(1),
    headers: { host: 'api.example', ...Object.fromEntries(request.headers) },
    requestContext,
    isBase64Encoded: false,
    ...(body === '' ? {} : { body }),
  }
}

export type GatewayAnswer = { statusCode: number; headers: Record<string, string>; body?: string; isBase64Encoded?: boolean; cookies?: string[] }

export function gatewayResponse({ statusCode, headers, body = '', isBase64Encoded = false }: GatewayAnswer): Response {
  const bytes = isBase64Encoded ? Buffer.from(body, 'base64') : body
  return new Response([204, 304].includes(statusCode) ? null : bytes, { status: statusCode, headers })
}
