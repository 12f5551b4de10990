/**
 * What a limited key may ask for: each of these is held to its reach by the verb behind it (assertWithin). Whatever is not here refuses such a key, so that what is new does until
 * somebody has thought of it.
 */
const held = new Set([
  'POST /v1/memories',
  'POST /v1/memories/bulk',
  'POST /v1/memories/list',
  'POST /v1/memories/forget',
  'GET /v1/memories/:id',
  'PATCH /v1/memories/:id',
  'DELETE /v1/memories/:id',
  'GET /v1/memories/:id/history',
  'POST /v1/recall',
  'POST /v1/links',
  'DELETE /v1/links/:id',
  'GET /v1/memories/:id/neighbors',
  'GET /v1/paths',
  'GET /v1/users',
  'GET /v1/sessions',
  'GET /v1/export',
  'GET /v1/operations/:id',
  'POST /store',
  'POST /store_bulk',
  'GET /recall',
  'POST /recall',
  'POST /recall_batch',
  'POST /recall_with_scores',
  'POST /hybrid_recall_with_scores',
  'POST /recall_with_context',
  'POST /keyword_search',
  'GET /range',
  'POST /memories',
  'GET /memories/search',
  'POST /memories/search',
  'GET /memories/:coord',
  'DELETE /memories/:coord',
  'POST /link',
  'GET /neighbors',
  'GET /shortest_path',
])

/** Whether a route (its template) is held to the reach of a limited key. */
export const holdsReach = (method: string, route: string | undefined): boolean => held.has(`${method === 'HEAD' ? 'GET' : method} ${route}`)
