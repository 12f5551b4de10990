export { compileFilter, type Params, params } from './compile.ts'
export { isTime, operators } from './fields.ts'
export { type Filter, maxDepth, maxLeaves, parseFilter, requiredValues } from './parse.ts'
