import { Hono } from 'hono'
import { handle } from 'hono/aws-lambda'
import type { HttpHandler } from '../handler/index.ts'

/** An HTTP handler as a Lambda handler for API Gateway and ALB events; Hono's adapter does the translation. */
export function awsHandler(handler: HttpHandler): (event: unknown, context: unknown) => Promise<unknown> {
  const app = new Hono().all('*', (c) => handler.fetch(c.req.raw))
  const translate = handle(app)
  return (event, context) => translate(event as Parameters<typeof translate>[0], context as Parameters<typeof translate>[1])
}
