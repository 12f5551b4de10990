export { answerText } from './answer-text.ts'
export { createBreakers } from './breakers.ts'
export { type Breaker, type BreakerCall, type BreakerSettings, type BreakerState, type BreakerStates, type Breakers, type Dependency, DependencyFailure } from './port.ts'
