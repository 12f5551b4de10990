import { randomBytes } from 'node:crypto'
import type { BlobStore } from '../blob/index.ts'
import { isLasting } from './format.ts'

/** Where an archive lies: the keys of the store that begin with `prefix`; the whole store with `''`. */
export type Place = { store: BlobStore; prefix: string }
export const keyAt = ({ prefix }: Place, name: string) => (prefix === '' ? name : `${prefix}/${name}`)

/** An archive that builds on another: `on` has the chance digits of that one's name; `i`: an increment, `r`: what was begun by the other and ended by this one. */
export type Builds = { on: string; as: 'i' | 'r' }

/**
 * `20261124T140500Z-1f2e3d4c-9a8b7c6d`: names sort by time, say whose archive it is (the first digits of the installation's id), and two at once differ. One that builds on that one:
 * `20261124T150500Z-1f2e3d4c-5e6f7a8b-i9a8b7c6d`.
 */
export function archiveName(at: Date, installationId: string, builds?: Builds): string {
  const name = `${at.toISOString().replaceAll(/[-:]|\.\d+/g, '')}-${installationId.slice(0, 8)}-${randomBytes(4).toString('hex')}`
  return builds ? `${name}-${builds.as}${builds.on}` : name
}

/** The chance digits of an archive's name. */
export const digitsOf = (name: string): string => name.split('-')[2] ?? ''

/** What a bucket with object lock is to keep of archives, whoever wants to remove it. A full archive is kept for as long as the last increment that builds on it. */
export const lockOf = (days: number, fullEveryHours: number) => (days > 0 ? { days: days + Math.ceil(fullEveryHours / 24), of: isLasting } : undefined)

/** The place of an archive that lies beside another. */
export const besides = ({ store, prefix }: Place, name: string): Place => ({ store, prefix: prefix.includes('/') ? `${prefix.slice(0, prefix.lastIndexOf('/'))}/${name}` : name })
