/** Keeps docs/kubernetes equal to the manifest: `node local/kubernetes/render.ts` rewrites it, `--check` exits 1 when it differs. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { image, type KubeObject, namespace } from './parts.ts'
import { externalSecrets } from './secrets.ts'
import { ground, monitoring, network } from './surroundings.ts'
import { jobs, migration, services } from './workloads.ts'

const folder = fileURLToPath(new URL('../../docs/kubernetes/', import.meta.url))

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

function main(check: boolean): number {
  const files = renderedFiles()
  mkdirSync(folder, { recursive: true })
  const there = readdirSync(folder)
  const differing = [
    ...Object.keys(files).filter((name) => !there.includes(name) || readFileSync(`${folder}${name}`, 'utf8') !== files[name]),
    ...there.filter((name) => files[name] === undefined),
  ]
  if (!differing.length) return 0
  if (check) {
    console.error(`docs/kubernetes differs from functions/manifest.ts (${differing.join(', ')}): run \`npx node local/kubernetes/render.ts\`.`)
    return 1
  }
  for (const name of there) if (files[name] === undefined) rmSync(`${folder}${name}`)
  for (const [name, text] of Object.entries(files)) writeFileSync(`${folder}${name}`, text)
  return 0
}

if (import.meta.main) process.exitCode = main(process.argv.includes('--check'))
