export { foldText, requiredTerms } from './required.ts'
export { countTerms, termsOf, tokenize, tokenizerRevision } from './tokenize.ts'
