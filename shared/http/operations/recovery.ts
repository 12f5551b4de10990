import * as z from 'zod'
import { RunAsked, RunPage, RunShown } from '../answers/recovery.ts'
import type { Operation } from './operation.ts'
import { cursor } from './parameters.ts'

const page = { limit: { description: 'how many at most', schema: z.int().min(1).max(500).default(50) }, ...cursor }
const id = (what: string) => ({ id: { description: `the id of a ${what}`, schema: z.uuid() } })
const who = 'With a key of the tenant "system" that has this scope.'

/** The operators' surface of backups and drills. */
export const recovery: readonly Operation[] = [
  {
    id: 'listBackups',
    method: 'GET',
    path: '/v1/backups',
    summary: 'List backups, the newest first, with what came of each',
    description: who,
    scope: 'platform:backups',
    query: page,
    success: 200,
    answer: RunPage,
  },
  {
    id: 'requestBackup',
    method: 'POST',
    path: '/v1/backups',
    summary: 'Ask for a backup, which the job keep-backups begins within a quarter of an hour, or at once where it can be woken',
    description: `${who} Where one was asked for and has not begun, it is that one.`,
    scope: 'platform:backups',
    success: 202,
    answer: RunAsked,
  },
  {
    id: 'getBackup',
    method: 'GET',
    path: '/v1/backups/:id',
    summary: 'One backup',
    description: who,
    scope: 'platform:backups',
    params: id('backup'),
    success: 200,
    answer: RunShown,
  },
  {
    id: 'listDrills',
    method: 'GET',
    path: '/v1/drills',
    summary: 'List drills, the newest first: restores of backups that were examined down to what they recall',
    description: who,
    scope: 'platform:drills',
    query: page,
    success: 200,
    answer: RunPage,
  },
  {
    id: 'requestDrill',
    method: 'POST',
    path: '/v1/drills',
    summary: 'Ask for a drill of the newest backup, which the job drill begins within a quarter of an hour, or at once where it can be woken',
    description: `${who} Where one was asked for and has not begun, it is that one.`,
    scope: 'platform:drills',
    success: 202,
    answer: RunAsked,
  },
  {
    id: 'getDrill',
    method: 'GET',
    path: '/v1/drills/:id',
    summary: 'One drill, with its signed report; as a page for people where text/html is accepted',
    description: who,
    scope: 'platform:drills',
    params: id('drill'),
    success: 200,
    answer: RunShown,
  },
]
