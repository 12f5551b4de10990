import { manifest } from '../../functions/manifest.ts'
import { alertGroups } from '../alerts.ts'
import { host, type KubeObject, labelsOf, namespace, object, port, selectorOf } from './parts.ts'

/** The namespace, the configuration, and who may do what. */
export function ground(): KubeObject[] {
  const enforced = Object.fromEntries(['enforce', 'warn', 'audit'].map((mode) => [`pod-security.kubernetes.io/${mode}`, 'restricted']))
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels: enforced } },
    object('v1', 'ConfigMap', 'soma', {
      data: {
        STAGE: 'prod',
        HOST: '0.0.0.0',
        PORT: String(port),
        AUTH_MODE: 'mixed',
        KAFKA_BOOTSTRAP_SERVERS: 'kafka.example.internal:9096',
        KAFKA_SECURITY_PROTOCOL: 'SASL_SSL',
        KAFKA_SASL_MECHANISM: 'scram-sha-512',
        KAFKA_SASL_USERNAME: 'soma',
        BACKUP_BUCKET: 'soma-backups',
        BACKUP_PREFIX: 'prod',
        AWS_REGION: 'eu-central-1',
      },
    }),
    // its annotation is where a cloud binds an identity that may use the bucket; of Kubernetes it may do nothing
    object('v1', 'ServiceAccount', 'soma', { automountServiceAccountToken: false }),
    object('rbac.authorization.k8s.io/v1', 'Role', 'soma-operator', {
      rules: [
        { apiGroups: ['batch'], resources: ['cronjobs'], verbs: ['get', 'list'] },
        { apiGroups: ['batch'], resources: ['jobs'], verbs: ['create', 'get', 'list', 'watch'] },
        { apiGroups: [''], resources: ['pods', 'pods/log'], verbs: ['get', 'list', 'watch'] },
      ],
    }),
    object('rbac.authorization.k8s.io/v1', 'RoleBinding', 'soma-operator', {
      subjects: [{ kind: 'Group', apiGroup: 'rbac.authorization.k8s.io', name: 'soma-operators' }],
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'soma-operator' },
    }),
  ]
}

const from = (name: string) => ({ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } } })
const served = [{ port, protocol: 'TCP' }]
const tcp = (...ports: number[]) => ports.map((one) => ({ port: one, protocol: 'TCP' }))

/** One way in, by TLS, to the router; and nothing speaks to anything that it need not. */
export function network(): KubeObject[] {
  const http = manifest.filter(({ kind }) => kind === 'http').map(({ name }) => name)
  const policy = (name: string, podSelector: object, rules: { ingress?: unknown[]; egress?: unknown[] }) =>
    object('networking.k8s.io/v1', 'NetworkPolicy', name, {
      spec: { podSelector, policyTypes: [...(rules.ingress ? ['Ingress'] : []), ...(rules.egress ? ['Egress'] : [])], ...rules },
    })
  const handlers = { matchExpressions: [{ key: 'app.kubernetes.io/name', operator: 'In', values: http }] }
  return [
    object(
      'networking.k8s.io/v1',
      'Ingress',
      'soma',
      {
        spec: {
          ingressClassName: 'nginx',
          tls: [{ hosts: [host], secretName: 'soma-tls' }],
          rules: [{ host, http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'router', port: { name: 'http' } } } }] } }],
        },
      },
      {
        annotations: {
          'cert-manager.io/cluster-issuer': 'letsencrypt',
          'nginx.ingress.kubernetes.io/proxy-body-size': '0',
          'nginx.ingress.kubernetes.io/proxy-request-buffering': 'off',
        },
      },
    ),
    policy('nothing-unless-allowed', {}, { ingress: [], egress: [] }),
    policy('names', {}, { egress: [{ to: [from('kube-system')], ports: [{ port: 53, protocol: 'UDP' }, ...tcp(53)] }] }),
    policy('router', selectorOf('router'), { ingress: [{ from: [from('ingress-nginx')], ports: served }], egress: [{ to: [{ podSelector: handlers }], ports: served }] }),
    policy('handlers', handlers, { ingress: [{ from: [{ podSelector: selectorOf('router') }], ports: served }] }),
    policy('metrics', {}, { ingress: [{ from: [from('monitoring')], ports: served }] }),
    // Postgres, Kafka and Redis in the private network; the bucket, the secrets' store, an embedding service and an issuer of tokens by TLS
    policy(
      'services',
      { matchExpressions: [{ key: 'app.kubernetes.io/name', operator: 'NotIn', values: ['router'] }] },
      {
        egress: [
          { to: [{ ipBlock: { cidr: '10.0.0.0/8' } }], ports: tcp(5432, 6379, 9096) },
          { to: [{ ipBlock: { cidr: '0.0.0.0/0' } }], ports: tcp(443) },
        ],
      },
    ),
  ]
}

/** For the Prometheus operator: every service is scraped, and the rules of docs/alerts.yaml. */
export function monitoring(): KubeObject[] {
  return [
    object('monitoring.coreos.com/v1', 'ServiceMonitor', 'soma', {
      spec: {
        selector: { matchLabels: { 'app.kubernetes.io/part-of': 'soma-memory' }, matchExpressions: [{ key: 'app.kubernetes.io/name', operator: 'NotIn', values: ['router'] }] },
        endpoints: [{ port: 'http', path: '/metrics', interval: '30s', authorization: { type: 'Bearer', credentials: { name: 'soma-status', key: 'METRICS_TOKEN' } } }],
      },
    }),
    object('monitoring.coreos.com/v1', 'PrometheusRule', 'soma', { spec: { groups: alertGroups() } }, { labels: labelsOf('soma') }),
  ]
}
