import { type ManifestRow, manifest } from '../../functions/manifest.ts'
import { type KubeObject, object, secretsIn } from './parts.ts'

/** Of what this example does not use: a second vector engine, a model that is introduced, an embedding service. One that is named and not in the store keeps its pods from starting. */
const unused = ['MILVUS_TOKEN', 'EMBEDDING_API_KEY', 'EMBEDDING_NEXT_API_KEY']

/** The secrets of a row; the drain opens the requests' database too. */
export function secretsOf(row: ManifestRow): string[] {
  const more = row.name === 'drain-outbox' ? ['POSTGRES_URL', 'SIGNING_KEY'] : []
  return [...new Set([...row.secrets, ...more])].filter((name) => !unused.includes(name)).sort()
}

/** The name of the Secret of a row: each handler has one with exactly its own. */
export const secretOf = (row: ManifestRow): string => `soma-${row.name}`

/** From the store by External Secrets, looked at every hour. */
export function externalSecrets(): KubeObject[] {
  return manifest.map((row) =>
    object('external-secrets.io/v1', 'ExternalSecret', secretOf(row), {
      spec: {
        refreshInterval: '1h',
        secretStoreRef: { kind: 'ClusterSecretStore', name: 'soma' },
        target: { name: secretOf(row), creationPolicy: 'Owner' },
        data: secretsOf(row).map((name) => ({ secretKey: name, remoteRef: { key: `${secretsIn}/${name}` } })),
      },
    }),
  )
}
