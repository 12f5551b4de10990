import { expect, test } from 'vitest'
import { milvusConnection, parseConfig, withSecrets } from '../../shared/config/index.ts'

const engine = { VECTOR_ENGINE: 'milvus', MILVUS_HOST: 'milvus.internal' }

test('a Milvus is named by host and port, its token given or fetched, and its TLS asked for', () => {
  expect(milvusConnection(parseConfig({}))).toBeUndefined()
  expect(milvusConnection(parseConfig(engine))).toEqual({ host: 'milvus.internal', port: 19530, token: undefined, tls: false, caLocation: undefined })
  const given = parseConfig({
    ...engine,
    MILVUS_PORT: '443',
    MILVUS_TLS: '1',
    MILVUS_SSL_CA_LOCATION: '/ca.pem',
    MILVUS_TOKEN_SECRET_ARN: 'arn:aws:secretsmanager:eu-west-1:1:secret:m',
  })
  expect(given.secretArns).toEqual({ MILVUS_TOKEN: 'arn:aws:secretsmanager:eu-west-1:1:secret:m' })
  const fetched = withSecrets(given, { MILVUS_TOKEN: 'root:Milvus' })
  expect(milvusConnection(fetched)).toEqual({ host: 'milvus.internal', port: 443, token: 'root:Milvus', tls: true, caLocation: '/ca.pem' })
})

test.each([
  [{ VECTOR_ENGINE: 'milvus' }, 'VECTOR_ENGINE got "milvus": it needs MILVUS_HOST.'],
  [{ VECTOR_ENGINE: 'qdrant' }, 'VECTOR_ENGINE got "qdrant"'],
  [{ ...engine, MILVUS_HOST: 'http://milvus:19530' }, 'MILVUS_HOST got "http://milvus:19530": takes the name or the address of a host, without scheme and port'],
  [{ ...engine, MILVUS_PORT: '0' }, 'MILVUS_PORT got "0"'],
  [{ ...engine, MILVUS_SSL_CA_LOCATION: '/ca.pem' }, 'MILVUS_TLS takes 1 then'],
])('%j is refused', (given, says) => {
  expect(() => parseConfig(given)).toThrow(says)
})

test('what names a Milvus that is not used is said to be idle', () => {
  expect(parseConfig({ MILVUS_HOST: 'm', MILVUS_TOKEN: 'x' }).warnings).toEqual([
    'MILVUS_HOST is set, but VECTOR_ENGINE is not milvus: Milvus is not used.',
    'MILVUS_TOKEN is set, but VECTOR_ENGINE is not milvus: Milvus is not used.',
  ])
  expect(parseConfig(engine).warnings).toEqual([])
})
