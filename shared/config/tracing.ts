import * as z from 'zod'

const form = 'takes name=value, several split by commas; a value as in a URL, so %20 for a space'

/** OpenTelemetry's own names, and its form of headers. */
export const traceVariables = {
  OTEL_EXPORTER_OTLP_HEADERS: z
    .string()
    .transform((text, context): Record<string, string> => {
      const pairs = text.split(',').map((pair) => /^\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*(.*?)\s*$/.exec(pair))
      try {
        return Object.fromEntries(pairs.map((pair) => [(pair as RegExpExecArray)[1], decodeURIComponent((pair as RegExpExecArray)[2] as string)]))
      } catch {
        context.addIssue({ code: 'custom', message: form })
        return {}
      }
    })
    .optional(),
  OTEL_SERVICE_NAME: z.string().max(255).default('soma-memory'),
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).default(1),
}
