import { describe } from 'vitest'
import { describeBeside } from '../support/engines.ts'
import { requireService } from '../support/services.ts'
import { milvusAt } from './milvus.ts'

/** What recall promises, and that tenants see nothing of each other: the very suites of the other folders, with every scope searched in Milvus. */
const url = requireService('TEST_MILVUS_URL')
if (url) {
  describeBeside(['postgres 18'], milvusAt(url))
  await import('../db/recall.test.ts')
  await import('../db/recall-scope.test.ts')
  await import('../db/supersede.test.ts')
  await import('../db/time.test.ts')
  await import('../http/isolation.test.ts')
}
describe.skipIf(url)('suites with Milvus (skipped: no TEST_MILVUS_URL)', () => {})
