import { type Change, createDependency, type DependencyBreaker, worse } from './dependency.ts'
import { type BreakerSettings, type BreakerState, type Breakers, type Dependency, DependencyFailure } from './port.ts'

const usual = { retries: 0, concurrent: { tenant: 32, all: 64 }, fails: (error: unknown) => error instanceof DependencyFailure }

/** The breakers of one process, each made when it is first asked for. `onChange` hears of each that opens or closes. */
export function createBreakers(given: Pick<BreakerSettings, 'failures' | 'openMs'>, onChange: (change: Change) => void): Breakers {
  const made = new Map<Dependency, DependencyBreaker>()
  return {
    of(dependency, settings = {}) {
      const breaker = made.get(dependency) ?? createDependency(dependency, { ...usual, ...given, ...settings }, onChange)
      made.set(dependency, breaker)
      return breaker
    },
    states() {
      const dependencies = [...made].map(([dependency, breaker]) => ({ dependency, state: breaker.state() }))
      // what is open as a whole is open for `default`, whether it calls or not
      const tenants = new Map<string, BreakerState>([['default', dependencies.reduce<BreakerState>((state, one) => worse(state, one.state), 'closed')]])
      for (const breaker of made.values()) for (const [tenant, state] of breaker.affected()) tenants.set(tenant, worse(state, tenants.get(tenant) ?? 'closed'))
      return { dependencies, tenants: [...tenants].map(([tenant, state]) => ({ tenant, state })) }
    },
  }
}
