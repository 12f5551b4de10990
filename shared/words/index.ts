export { insertClosedPostings, insertPostings, type Worded, type Words, wordsOf } from './postings.ts'
export { recountWords } from './recount.ts'
