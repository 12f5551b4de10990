export { compileFilter, type Params, params } from './compile.ts'
export { isTime } from './fields.ts'
export { type Filter, maxDepth, maxLeaves, operators, parseFilter, requiredValues } from './parse.ts'
