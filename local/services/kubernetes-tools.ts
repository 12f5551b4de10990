import { installOnce } from './cache.ts'
import { runCommand } from './command.ts'

/** Kubernetes' own schemas, strictly, for the objects of its API; from PyPI. */
const validator = 'kubernetes-validate==1.37.0'
/** The schemas of the operators' objects, which that has not; from npm. */
const models = ['@kubernetes-models/prometheus-operator@6.0.0', '@kubernetes-models/external-secrets@2.0.0']

/** A folder with both: `python` (a path for PYTHONPATH) and `node_modules`. No cluster is needed for what they tell. */
export function installKubernetesTools(): Promise<string> {
  return installOnce('kubernetes-tools-1.37.0-6.0.0-2.0.0', async (folder) => {
    await runCommand('python3', ['-m', 'pip', '--version']).catch((cause: unknown) => {
      throw new Error('kubernetes-validate comes from PyPI: install python3 (3.10 or newer) and pip (Debian: `apt-get install python3-pip`).', { cause })
    })
    await runCommand('python3', ['-m', 'pip', 'install', '--quiet', `--target=${folder}/python`, validator])
    await runCommand('npm', ['install', '--silent', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix', folder, ...models])
  })
}
