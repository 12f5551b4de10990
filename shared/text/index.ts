export { foldText, requiredTerms } from './required.ts'
export { countTerms, isStopWord, termsOf, tokenize, tokenizerRevision, wordsOf } from './tokenize.ts'
