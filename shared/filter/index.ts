export { compileFilter, type Params, params } from './compile.ts'
export { isTime, operators, timePattern } from './fields.ts'
export { type Filter, FilterIn, maxDepth, maxLeaves, parseFilter, requiredValues } from './parse.ts'
