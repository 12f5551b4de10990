import { expect, test } from 'vitest'
import { ConfigError, parseConfig } from '../../shared/config/index.ts'
import { saneTraceparent, traceIdOf } from '../../shared/trace/index.ts'

const id = '0af7651916cd43dd8448eb211c80319c'

test.each([
  [`00-${id}-b7ad6b7169203331-01`, id],
  [`00-${id}-b7ad6b7169203331-00`, id],
  [`01-${id}-b7ad6b7169203331-03`, id],
  [`ff-${id}-b7ad6b7169203331-01`, undefined],
  [`00-${'0'.repeat(32)}-b7ad6b7169203331-01`, undefined],
  [`00-${id}-${'0'.repeat(16)}-01`, undefined],
  [`00-${id.toUpperCase()}-b7ad6b7169203331-01`, undefined],
  [`00-${id}-b7ad6b7169203331`, undefined],
  ['00-x', undefined],
  ['', undefined],
  [null, undefined],
])('of the traceparent %s the trace is %s', (text, traceId) => {
  expect(traceIdOf(text)).toBe(traceId)
  expect(saneTraceparent(text)).toBe(traceId && text)
})

test('the variables of OpenTelemetry are read with their defaults, and refused with what they take', () => {
  expect(parseConfig({})).toMatchObject({ OTEL_SERVICE_NAME: 'soma-memory', OTEL_TRACES_SAMPLER_ARG: 1 })
  const given = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318', OTEL_TRACES_SAMPLER_ARG: '0.25', OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20abc, x-team=a' }
  expect(parseConfig(given)).toMatchObject({ OTEL_TRACES_SAMPLER_ARG: 0.25, OTEL_EXPORTER_OTLP_HEADERS: { authorization: 'Bearer abc', 'x-team': 'a' }, warnings: [] })
  expect(parseConfig({ OTEL_EXPORTER_OTLP_HEADERS_SECRET_ARN: 'arn:x' }).secretArns).toEqual({ OTEL_EXPORTER_OTLP_HEADERS: 'arn:x' })
  const refused = (environment: Record<string, string>, message: RegExp) => {
    expect(() => parseConfig(environment)).toThrow(ConfigError)
    expect(() => parseConfig(environment)).toThrow(message)
  }
  refused({ OTEL_EXPORTER_OTLP_ENDPOINT: '127.0.0.1:4318' }, /OTEL_EXPORTER_OTLP_ENDPOINT got "127.0.0.1:4318": takes a URL/)
  refused({ OTEL_TRACES_SAMPLER_ARG: '2' }, /OTEL_TRACES_SAMPLER_ARG got "2"/)
  refused({ OTEL_EXPORTER_OTLP_HEADERS: 'a secret' }, /OTEL_EXPORTER_OTLP_HEADERS got a value: takes name=value/)
})
