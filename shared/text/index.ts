export { countTerms, tokenize, tokenizerRevision } from './tokenize.ts'
