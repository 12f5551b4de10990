export { createLimiter, type Limiter, type Taken } from './limiter.ts'
export { keyPrefix } from './prefix.ts'
export { createTurns, type Turns } from './turns.ts'
