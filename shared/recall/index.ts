export { type RecallDeps, recall } from './recall.ts'
export { RecallIn, type RecallOut, type RecallResult } from './schema.ts'
export { largeScope } from './weights.ts'
