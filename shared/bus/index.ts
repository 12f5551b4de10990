export { breakingPublisher } from './breaking.ts'
export { inProcessBus } from './in-process.ts'
export { type Consumer, type Invoke, invokingPublisher } from './invoke.ts'
export type { Publisher, Subscriber } from './port.ts'
