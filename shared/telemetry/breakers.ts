import type { BreakerState, BreakerStates } from '../breaker/index.ts'
import { type Metrics, maxTenantLabels } from './metrics.ts'

const states = ['closed', 'half_open', 'open'] as const

/** A line for each state of what is shown, 1 for the one it is in. Tenants whose state is the worst keep their label; the rest are one, in the worst of theirs. */
export function setBreakers({ breakerState, dependencyState }: Pick<Metrics, 'breakerState' | 'dependencyState'>, { dependencies, tenants }: BreakerStates): void {
  breakerState.reset()
  dependencyState.reset()
  for (const { dependency, state } of dependencies) for (const one of states) dependencyState.set({ dependency, state: one }, Number(one === state))
  const shown = tenants.toSorted((a, b) => Number(b.tenant === 'default') - Number(a.tenant === 'default') || rank(b.state) - rank(a.state))
  const rest = shown.splice(maxTenantLabels)
  if (rest[0]) shown.push({ tenant: 'other', state: rest[0].state })
  for (const { tenant, state } of shown) for (const one of states) breakerState.set({ tenant, state: one }, Number(one === state))
}

const rank = (state: BreakerState): number => states.indexOf(state)
