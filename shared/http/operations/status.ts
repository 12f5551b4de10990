import { Alive, Document, Health, Ready } from '../answers/status.ts'
import type { Operation } from './operation.ts'

/** Health, metrics and what describes this API. */
export const status: readonly Operation[] = [
  { id: 'healthz', method: 'GET', path: '/healthz', summary: 'Liveness', success: 200, answer: Alive },
  { id: 'readyz', method: 'GET', path: '/readyz', summary: 'Readiness, by component', success: 200, answer: Ready, also: { 503: 'Something that it needs cannot be used' } },
  { id: 'health', method: 'GET', path: '/health', summary: 'Health in one answer', success: 200, answer: Health, also: { 503: 'It is down' } },
  {
    id: 'metrics',
    method: 'GET',
    path: '/metrics',
    summary: 'Prometheus metrics',
    description: 'Where METRICS_TOKEN is set, it takes that token as its bearer token.',
    success: 200,
    answerType: 'text/plain',
    problems: ['unauthenticated'],
  },
  { id: 'openapi', method: 'GET', path: '/openapi.json', summary: 'This document', success: 200, answer: Document },
  { id: 'docs', method: 'GET', path: '/docs', summary: 'The operations as a page to try them on', success: 200, answerType: 'text/html' },
]
