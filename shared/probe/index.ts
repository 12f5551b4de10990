export { askQuestion } from './ask.ts'
export { type Comparison, compare } from './compare.ts'
export { type Answers, Probe } from './probe.ts'
export { probedTenants, takeProbes } from './take.ts'
