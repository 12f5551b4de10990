import { readFileSync } from 'node:fs'

/** The anchors of the runbook's headings, as GitHub and GitLab make them. */
export const runbookAnchors = (): string[] =>
  readFileSync('docs/runbook.md', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('#'))
    .map((line) =>
      line
        .replace(/^#+ /, '')
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
        .replaceAll(' ', '-'),
    )
