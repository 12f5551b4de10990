/** What the objects of the Kubernetes example share. */
export type KubeObject = {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string; labels?: Record<string, string>; annotations?: Record<string, string> }
  [field: string]: unknown
}

export const namespace = 'soma'
/** Set by `kustomize edit set image`, or under `images:` of an overlay. */
export const image = 'soma-memory'
export const port = 9595
/** Where the secrets lie in the store behind External Secrets: `soma/prod/SIGNING_KEY` and so on, as for the stacks. */
export const secretsIn = 'soma/prod'
export const host = 'soma.example.com'

export const labelsOf = (name: string) => ({ 'app.kubernetes.io/name': name, 'app.kubernetes.io/part-of': 'soma-memory' })
export const selectorOf = (name: string) => ({ matchLabels: labelsOf(name) })

export function object(
  apiVersion: string,
  kind: string,
  name: string,
  fields: Record<string, unknown>,
  more: { labels?: Record<string, string>; annotations?: Record<string, string> } = {},
): KubeObject {
  return {
    apiVersion,
    kind,
    metadata: { name, namespace, labels: { ...labelsOf(name), ...more.labels }, ...(more.annotations ? { annotations: more.annotations } : {}) },
    ...fields,
  }
}

/** As its user, without rights, with a root that nothing writes to: what the Pod Security Standard "restricted" asks for. */
export const restricted = { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } }

export type PodOptions = {
  name: string
  command: readonly string[]
  memoryMb: number
  serves: boolean
  alive?: 'http' | 'tcp'
  secrets: string | undefined
  restart?: 'Always' | 'OnFailure' | 'Never'
  graceSeconds?: number
  env?: Record<string, string>
}

/** A pod of one container. It asks the API of Kubernetes nothing, so it has no token. */
export function pod({ name, command, memoryMb, serves, alive = 'http', secrets, restart, graceSeconds = 35, env = {} }: PodOptions): Record<string, unknown> {
  const probe = (path: string, periodSeconds: number, failureThreshold: number) => ({
    ...(alive === 'http' ? { httpGet: { path, port } } : { tcpSocket: { port } }),
    periodSeconds,
    failureThreshold,
    timeoutSeconds: 5,
  })
  const given = Object.entries(env).map(([variable, value]) => ({ name: variable, value }))
  return {
    metadata: { labels: labelsOf(name) },
    spec: {
      serviceAccountName: 'soma',
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      terminationGracePeriodSeconds: graceSeconds,
      ...(restart ? { restartPolicy: restart } : {}),
      containers: [
        {
          name,
          image,
          command: [...command],
          ...(given.length ? { env: given } : {}),
          envFrom: [{ configMapRef: { name: 'soma' } }, ...(secrets ? [{ secretRef: { name: secrets } }] : [])],
          ...(serves
            ? {
                ports: [{ name: 'http', containerPort: port }],
                // a schema that is older than the code is refused at the start: until the Job migrate is done it starts again and again
                startupProbe: probe('/healthz', 2, 60),
                livenessProbe: probe('/healthz', 10, 6),
                readinessProbe: probe('/readyz', 5, 3),
              }
            : {}),
          resources: { requests: { cpu: '100m', memory: `${memoryMb / 2}Mi` }, limits: { memory: `${memoryMb}Mi` } },
          securityContext: restricted,
          volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
        },
      ],
      volumes: [{ name: 'tmp', emptyDir: { sizeLimit: '256Mi' } }],
    },
  }
}
