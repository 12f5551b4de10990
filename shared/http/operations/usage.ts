import * as z from 'zod'
import { Instant, Namespace, scopeIds } from '../../memory/index.ts'
import { NamespacePage, SessionPage, UsageReport, UserPage } from '../answers/usage.ts'
import type { Operation } from './operation.ts'
import { cursor } from './parameters.ts'

const page = { ...cursor, limit: { description: 'how many at most', schema: z.int().min(1).max(500).default(50) } }
const namespace = { namespace: { description: 'the namespace', schema: Namespace.default('default') } }

/** Names with their counts, and what a tenant uses. */
export const usage: readonly Operation[] = [
  {
    id: 'listNamespaces',
    method: 'GET',
    path: '/v1/namespaces',
    summary: 'List the namespaces that hold memories',
    scope: 'memory:read',
    query: page,
    success: 200,
    answer: NamespacePage,
  },
  {
    id: 'listUsers',
    method: 'GET',
    path: '/v1/users',
    summary: 'List the users of a namespace that hold memories',
    scope: 'memory:read',
    query: { ...namespace, ...page },
    success: 200,
    answer: UserPage,
  },
  {
    id: 'listSessions',
    method: 'GET',
    path: '/v1/sessions',
    summary: 'List the sessions of a namespace, or of one user in it',
    scope: 'memory:read',
    query: { ...namespace, user_id: { description: 'only the sessions of this user', schema: scopeIds.user_id }, ...page },
    success: 200,
    answer: SessionPage,
  },
  {
    id: 'usage',
    method: 'GET',
    path: '/v1/usage',
    summary: 'What the tenant holds and used, by day or hour',
    scope: 'memory:read',
    query: {
      from: { description: '30 days before the end by default', schema: Instant },
      to: { description: 'now by default', schema: Instant },
      by: { description: 'at most 366 days or 744 hours', schema: z.enum(['day', 'hour']).default('day') },
    },
    success: 200,
    answer: UsageReport,
  },
]
