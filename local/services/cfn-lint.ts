import { installOnce } from './cache.ts'
import { runCommand } from './command.ts'

/** Holds CloudFormation's templates against the schemas of its resources; from PyPI. */
const linter = 'cfn-lint==1.58.0'

/** A folder for PYTHONPATH; `python3 -m cfnlint` runs it. No account is needed for what it tells. */
export function installCfnLint(): Promise<string> {
  return installOnce('cfn-lint-1.58.0', async (folder) => {
    await runCommand('python3', ['-m', 'pip', '--version']).catch((cause: unknown) => {
      throw new Error('cfn-lint comes from PyPI: install python3 (3.10 or newer) and pip (Debian: `apt-get install python3-pip`).', { cause })
    })
    await runCommand('python3', ['-m', 'pip', 'install', '--quiet', `--target=${folder}`, linter])
  })
}
