import { type Database, singly } from '../db/index.ts'
import { AppError } from '../problem/index.ts'
import { keyIdOf, type Signer } from '../signature/index.ts'
import { Checkpoint, readStatement, type Statement } from './checkpoint.ts'
import { faultKinds } from './faults.ts'
import { type Verified, verifyTenant } from './verify.ts'

export type Verdict = { ok: boolean; tenants: Verified[] }
const across = { role: 'soma_worker', tenantId: null, readOnly: true } as const

/**
 * Verifies the chain of each tenant, or of the one that is named. `against` are lines that `soma audit checkpoint` wrote: who gives them trusts them, and so their keys; a tenant of theirs that
 * is not there any more is a fault. @throws AppError invalid for lines of another installation, not_found
 */
export async function verifyAudit(
  worker: Database,
  signer: Signer,
  { tenant, against = [] }: { tenant?: string | undefined; against?: readonly Checkpoint[] } = {},
): Promise<Verdict> {
  const [installation] = await worker.statement<{ id: string }>(across, 'select installation_id as id from installation')
  const tenants = await singly(worker, across).query<{ tenant_id: number; name: string }>(
    'select tenant_id, name from tenants where $1::text is null or name = $1::text order by tenant_id',
    [tenant ?? null],
  )
  if (!tenants.length) throw new AppError('not_found', `There is no tenant "${tenant}": \`soma tenant list\` names them.`)
  const keys = new Map([[signer.keyId, signer.publicKey], ...against.map((one): [string, string] => [keyIdOf(one.public_key), one.public_key])])
  const said = against.map((one) => statementOf(one, installation?.id))
  const verified: Verified[] = []
  for (const { tenant_id: tenantId, name } of tenants) {
    const own = against.filter((_, i) => said[i]?.tenant_id === tenantId)
    verified.push(await verifyTenant(worker, { tenantId, tenant: name }, { keys, against: own }))
  }
  const known = new Set(tenants.map((one) => one.tenant_id))
  if (tenant === undefined) verified.push(...said.filter((one) => !known.has(one.tenant_id)).map(gone))
  return { ok: verified.every((one) => one.ok), tenants: verified }
}

function statementOf({ statement }: Checkpoint, installation: string | undefined): Statement {
  const read = readStatement(statement)
  if (!read) throw new AppError('invalid', 'A line of the file is no checkpoint of an audit log.')
  if (read.installation !== installation) throw new AppError('invalid', `The checkpoints are of the installation ${read.installation}, and this is ${installation}.`)
  return read
}

const gone = ({ tenant, position }: Statement): Verified => ({
  tenant,
  ok: false,
  position: 0,
  hash: '',
  waiting: 0,
  checkpoints: 0,
  unknown_keys: [],
  faults: [{ kind: 'cut', position, seq: null, detail: `The tenant is gone, with all of its chain: ${faultKinds.cut}.` }],
  fault_count: 1,
})

/** The newest checkpoint of each tenant, or of the one that is named: to be kept where whoever owns the database cannot reach it. */
export async function newestCheckpoints(worker: Database, tenant?: string): Promise<Checkpoint[]> {
  const tenants = await singly(worker, across).query<{ tenant_id: number }>('select tenant_id from tenants where $1::text is null or name = $1::text order by tenant_id', [
    tenant ?? null,
  ])
  if (!tenants.length) throw new AppError('not_found', `There is no tenant "${tenant}": \`soma tenant list\` names them.`)
  const newest: Checkpoint[] = []
  for (const { tenant_id: tenantId } of tenants) {
    newest.push(
      ...(await worker.statement<Checkpoint>(
        { role: 'soma_worker', tenantId, readOnly: true },
        'select k.statement, k.signature, k.public_key from audit_checkpoints k where k.tenant_id = $1::integer order by k.at desc, k.position desc limit 1',
        [tenantId],
      )),
    )
  }
  return newest
}

/** The lines of a file of checkpoints. @throws AppError invalid, with the number of the line */
export function readCheckpoints(text: string): Checkpoint[] {
  return text.split('\n').flatMap((line, i) => {
    if (line.trim() === '') return []
    const problem = () => new AppError('invalid', `Line ${i + 1} of the file is no checkpoint, as \`soma audit checkpoint\` writes it.`)
    try {
      const read = Checkpoint.parse(JSON.parse(line))
      keyIdOf(read.public_key)
      return [read]
    } catch {
      throw problem()
    }
  })
}
