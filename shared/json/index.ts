export { canonicalJson } from './canonical.ts'
export { checkJson, textProblem } from './check.ts'
