export { createLimiter, type Limiter, type Taken } from './limiter.ts'
export { keyPrefix } from './prefix.ts'
