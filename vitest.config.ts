import { defineConfig } from 'vitest/config'

// in a short CI 16 runs the suites of describeEveryEngine (test/support/engines.ts), in .ci/full all
const short = process.env.CI === 'true' && process.env.SOMA_FULL !== '1'
const onOneMajor: Record<string, string> = short ? { SKIP_POSTGRES_16: '1' } : {}

/** One project a folder under test/: `npm test -- --project unit` runs one of them. */
const project = (name: string, testTimeout = 30_000, env: Record<string, string> = {}) => ({
  extends: true as const,
  test: { name, include: [`test/${name}/**/*.test.ts`], env, testTimeout, hookTimeout: Math.max(60_000, testTimeout) },
})

export default defineConfig({
  test: {
    globalSetup: ['test/support/services.ts'],
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      project('unit'),
      project('db', 30_000, onOneMajor),
      project('http', 30_000, onOneMajor),
      project('kafka', 90_000),
      project('redis', 60_000),
      project('milvus', 60_000),
      project('stack', 120_000),
      project('parity', 120_000),
      project('properties', 120_000, onOneMajor),
      project('browser', 120_000),
      project('fuzz', 900_000, onOneMajor),
    ],
  },
})
