export { narrowOf } from './narrow.ts'
export { type RecallDeps, recall } from './recall.ts'
export { RecallIn, type RecallInput, type RecallOut, type RecallResult } from './schema.ts'
export { largeScope } from './weights.ts'
