import { type CryptoKey, createLocalJWKSet, errors, type FlattenedJWSInput, type JSONWebKeySet, type JWSHeaderParameters, type LocalJWKSet } from 'jose'
import type { Breaker } from '../breaker/index.ts'
import { AppError } from '../problem/index.ts'
import type { Jwk } from './fetch-keys.ts'

/** Milliseconds. */
export type Times = {
  /** After it they are fetched again, while those that are known go on. */
  refresh: number
  /** A key that is not known has them fetched at most so often, whoever asks. */
  cooldown: number
  /** So long they count while the issuer cannot be asked: what it has withdrawn meanwhile is not known. */
  keep: number
}
export const usualTimes: Times = { refresh: 10 * 60_000, cooldown: 30_000, keep: 24 * 3_600_000 }

export type IssuerKeys = {
  /** The key that a header names. @throws errors.JOSEError when there is none; AppError unavailable when the issuer would have to say, and is away */
  find(header: JWSHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey>
  /** Fetches them now. @throws AppError unavailable */
  load(): Promise<void>
}

/** The keys of an issuer, fetched on first use and kept. One fetch runs at a time, and everybody who needs it waits for that one. */
export function issuerKeys(fetchKeys: (signal: AbortSignal) => Promise<Jwk[]>, breaker: Breaker, times: Times = usualTimes): IssuerKeys {
  let known: { set: LocalJWKSet; at: number } | undefined
  let loading: Promise<void> | undefined
  let triedAt = Number.NEGATIVE_INFINITY
  let lastFailure: unknown
  let askedForUnknownAt = Number.NEGATIVE_INFINITY

  const load = (): Promise<void> => {
    loading ??= fetched().finally(() => {
      loading = undefined
    })
    return loading
  }
  async function fetched(): Promise<void> {
    triedAt = performance.now()
    try {
      const keys = await breaker.run(fetchKeys)
      known = { set: createLocalJWKSet({ keys } as JSONWebKeySet), at: performance.now() }
      lastFailure = undefined
    } catch (error) {
      lastFailure = error
      throw error
    }
  }
  /** Those that are known; fetched first when there are none, or when they are too old to count. */
  async function current(): Promise<LocalJWKSet> {
    const age = known ? performance.now() - known.at : Number.POSITIVE_INFINITY
    if (!known || age > times.keep) await load()
    // nobody waits for it, and the log has it from the breaker
    else if (age > times.refresh && performance.now() - triedAt > times.cooldown) load().catch(() => {})
    return (known as { set: LocalJWKSet }).set
  }

  return {
    load,
    async find(header, token) {
      const set = await current()
      try {
        return await set(header, token)
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      }
      if (performance.now() - askedForUnknownAt > times.cooldown) {
        askedForUnknownAt = performance.now()
        await load()
      } else if (loading) await loading
      // it may be a new key, and whoever would know is away
      else if (lastFailure instanceof AppError) throw lastFailure
      return (known as { set: LocalJWKSet }).set(header, token)
    },
  }
}
