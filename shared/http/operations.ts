import type * as z from 'zod'
import { BulkIn, ListIn, MemoryIn, MemoryPatch } from '../memory/index.ts'
import { RecallIn } from '../recall/index.ts'
import { KeyIn, TenantIn, TenantPatch } from '../tenant/index.ts'
import { GuideBulk, GuideRecall, GuideStore } from './guide-schema.ts'

export type Operation = {
  id: string
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  path: string
  summary: string
  scope?: string
  body?: z.ZodType
  query?: Record<string, string>
  success: number
  example?: unknown
}

/** Every operation that is served, for the OpenAPI document; a test holds it to the manifest's routes. */
export const operations: readonly Operation[] = [
  {
    id: 'storeMemory',
    method: 'POST',
    path: '/v1/memories',
    summary: 'Store one memory',
    scope: 'memory:write',
    body: MemoryIn,
    success: 201,
    example: { text: 'Ada prefers tea in the morning', user_id: 'ada' },
  },
  {
    id: 'storeMemories',
    method: 'POST',
    path: '/v1/memories/bulk',
    summary: 'Store up to 500 memories in one transaction',
    scope: 'memory:write',
    body: BulkIn,
    success: 200,
    example: { items: [{ text: 'Ada moved to Lisbon', user_id: 'ada' }] },
  },
  {
    id: 'listMemories',
    method: 'POST',
    path: '/v1/memories/list',
    summary: 'List memories by scope and filter',
    scope: 'memory:read',
    body: ListIn,
    success: 200,
    example: { user_id: 'ada', limit: 10 },
  },
  { id: 'getMemory', method: 'GET', path: '/v1/memories/:id', summary: 'Read one memory', scope: 'memory:read', success: 200 },
  {
    id: 'patchMemory',
    method: 'PATCH',
    path: '/v1/memories/:id',
    summary: 'Change a memory: a merge patch makes its next version',
    scope: 'memory:write',
    body: MemoryPatch,
    success: 200,
    example: { importance: 5 },
  },
  { id: 'forgetMemory', method: 'DELETE', path: '/v1/memories/:id', summary: 'Forget one memory', scope: 'memory:delete', success: 204 },
  {
    id: 'memoryHistory',
    method: 'GET',
    path: '/v1/memories/:id/history',
    summary: 'All versions of a memory',
    scope: 'memory:history',
    query: { cursor: 'next_cursor of the page before' },
    success: 200,
  },
  {
    id: 'recall',
    method: 'POST',
    path: '/v1/recall',
    summary: 'Find the memories that answer a query best',
    scope: 'memory:read',
    body: RecallIn,
    success: 200,
    example: { query: 'what does Ada prefer?', user_id: 'ada', top_k: 3 },
  },
  {
    id: 'createTenant',
    method: 'POST',
    path: '/v1/tenants',
    summary: 'Create a tenant and its first admin key',
    scope: 'platform:tenants',
    body: TenantIn,
    success: 201,
    example: { name: 'acme' },
  },
  { id: 'listTenants', method: 'GET', path: '/v1/tenants', summary: 'List tenants', scope: 'platform:tenants', query: { cursor: 'next_cursor of the page before' }, success: 200 },
  {
    id: 'setTenantStatus',
    method: 'PATCH',
    path: '/v1/tenants/:name',
    summary: 'Suspend or resume a tenant',
    scope: 'platform:tenants',
    body: TenantPatch,
    success: 200,
    example: { status: 'suspended' },
  },
  {
    id: 'createKey',
    method: 'POST',
    path: '/v1/keys',
    summary: "Create a key of one's own tenant; it is shown once",
    scope: 'admin',
    body: KeyIn,
    success: 201,
    example: { name: 'reader', scopes: ['memory:read'] },
  },
  { id: 'listKeys', method: 'GET', path: '/v1/keys', summary: "List the keys of one's own tenant", scope: 'admin', success: 200 },
  { id: 'revokeKey', method: 'DELETE', path: '/v1/keys/:id', summary: 'Revoke a key', scope: 'admin', success: 204 },
  {
    id: 'guideStore',
    method: 'POST',
    path: '/store',
    summary: "The guides' store: a payload at a coord",
    scope: 'memory:write',
    body: GuideStore,
    success: 200,
    example: { coord: '1,2,3', payload: { text: 'hello' }, type: 'episodic' },
  },
  {
    id: 'guideStoreBulk',
    method: 'POST',
    path: '/store_bulk',
    summary: "The guides' bulk store",
    scope: 'memory:write',
    body: GuideBulk,
    success: 200,
    example: { items: [{ coord: '0,0,0', payload: { text: 'item 0' }, type: 'episodic' }] },
  },
  {
    id: 'guideRecall',
    method: 'POST',
    path: '/recall',
    summary: "The guides' recall",
    scope: 'memory:read',
    body: GuideRecall,
    success: 200,
    example: { query: 'item', top_k: 5 },
  },
  {
    id: 'guideRecallGet',
    method: 'GET',
    path: '/recall',
    summary: "The guides' recall, by query string",
    scope: 'memory:read',
    query: { query: 'what to look for', top_k: '1 to 100, 5 by default', type: 'episodic, semantic or procedural' },
    success: 200,
  },
  { id: 'guideStats', method: 'GET', path: '/stats', summary: 'Counts of the tenant', scope: 'memory:read', success: 200 },
  { id: 'healthz', method: 'GET', path: '/healthz', summary: 'Liveness', success: 200 },
  { id: 'readyz', method: 'GET', path: '/readyz', summary: 'Readiness, by component', success: 200 },
  { id: 'health', method: 'GET', path: '/health', summary: 'Health in one answer', success: 200 },
  { id: 'metrics', method: 'GET', path: '/metrics', summary: 'Prometheus metrics', success: 200 },
  { id: 'openapi', method: 'GET', path: '/openapi.json', summary: 'This document', success: 200 },
  { id: 'docs', method: 'GET', path: '/docs', summary: 'The operations as a page', success: 200 },
]
