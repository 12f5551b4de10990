export { foldText, requiredTerms } from './required.ts'
export { countTerms, isStopWord, stopWordsOf, termsOf, tokenize, tokenizerRevision, wordsOf } from './tokenize.ts'
