export { buildAnn } from './build-ann.ts'
export { type IndexDeps, indexVectors } from './index-vectors.ts'
