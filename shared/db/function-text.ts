/** The text of one function of an earlier migration, as it is made anew. */
export function functionOf(migration: string, name: string): string {
  const found = migration.match(new RegExp(`create (?:or replace )?function ${name}\\([\\s\\S]*?\\$fn\\$;`))
  if (!found) throw new Error(`No function ${name} is in that migration.`)
  return found[0].replace(/^create (?:or replace )?function/, 'create or replace function')
}

/** `text` with `by` for each `part`. @throws Error when the part is not there as often as it should be: then a migration that had landed was edited, which none ever is */
export function exchange(text: string, part: string, by: string, times = 1): string {
  const pieces = text.split(part)
  if (pieces.length !== times + 1) throw new Error(`An earlier migration has changed: "${part.slice(0, 40)}…" is there ${pieces.length - 1} times.`)
  return pieces.join(by)
}
