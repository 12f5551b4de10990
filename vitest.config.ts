import { defineConfig } from 'vitest/config'

/** One project a folder under test/: `npm test -- --project unit` runs one of them. */
const project = (name: string, testTimeout = 30_000) => ({
  extends: true as const,
  test: { name, include: [`test/${name}/**/*.test.ts`], testTimeout, hookTimeout: Math.max(60_000, testTimeout) },
})

export default defineConfig({
  test: {
    globalSetup: ['test/support/services.ts'],
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      project('unit'),
      project('db'),
      project('http'),
      project('kafka', 90_000),
      project('redis', 60_000),
      project('stack', 120_000),
      project('parity', 120_000),
      project('properties', 120_000),
      project('browser', 120_000),
      project('fuzz', 900_000),
    ],
  },
})
