/** Keeps docs/kubernetes equal to the manifest: `node local/kubernetes/render.ts` rewrites it, `--check` exits 1 when it differs. */
import { stringify } from 'yaml'
import { keepRendered } from '../rendered-folder.ts'
import { image, type KubeObject, namespace } from './parts.ts'
import { externalSecrets } from './secrets.ts'
import { ground, monitoring, network } from './surroundings.ts'
import { jobs, migration, services } from './workloads.ts'

/** The objects by the file that they are in, in the order in which they are applied. */
export function renderedObjects(): Record<string, KubeObject[]> {
  return {
    'ground.yaml': ground(),
    'secrets.yaml': externalSecrets(),
    'migrate.yaml': migration(),
    'services.yaml': services(),
    'jobs.yaml': jobs(),
    'network.yaml': network(),
    'monitoring.yaml': monitoring(),
  }
}

const head = '# Made of functions/manifest.ts by `node local/kubernetes/render.ts`: change it there, or by an overlay of your own. How to use it: docs/deploy.md.\n'

/** The text of each file. */
export function renderedFiles(): Record<string, string> {
  const objects = renderedObjects()
  const files = Object.entries(objects).map(([name, list]) => [
    name,
    `${head}${list.map((one) => stringify(one, { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false })).join('---\n')}`,
  ])
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    namespace,
    resources: Object.keys(objects),
    images: [{ name: image, newName: 'registry.example.com/soma-memory', newTag: 'v1' }],
  }
  return { ...Object.fromEntries(files), 'kustomization.yaml': `${head}${stringify(kustomization)}` }
}

if (import.meta.main) {
  const rendered = { folder: 'docs/kubernetes', files: renderedFiles(), source: 'functions/manifest.ts', program: 'local/kubernetes/render.ts' }
  process.exitCode = keepRendered(rendered, process.argv.includes('--check'))
}
