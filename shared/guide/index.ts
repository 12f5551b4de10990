export { keywordBounds, keywordSearch } from './keyword.ts'
export { type GuideEdge, guideLink, guideNeighbors, guideShortestPath } from './link.ts'
export { forgetAt, type GuideMemoryStored, guideStoreMemory, memoryAt } from './memory.ts'
export { coordsInRange, rangeWindow } from './range.ts'
export { type GuideMatches, type GuideScored, guideRecall, guideRecallBatch, guideRecallWithContext, guideScores, guideSearch } from './recall.ts'
export {
  GuideBulk,
  GuideContext,
  GuideKeyword,
  GuideLink,
  GuideMemory,
  GuideRange,
  GuideRecall,
  GuideRecallBatch,
  GuideScores,
  GuideSearch,
  GuideStore,
  guideLimits,
} from './schema.ts'
export { type GuideStored, guideStore, guideStoreBulk } from './store.ts'
