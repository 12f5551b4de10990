import type { Completion } from './completion.ts'

const single = (text: string) => `'${text.replaceAll("'", "'\\''")}'`
const fish = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
const flagsThat = (all: Completion[], takes: 'text' | 'file') => [
  ...new Set(all.flatMap(({ options }) => options.filter((option) => option.takes === takes && !option.choices.length).flatMap((option) => option.flags))),
]
const paths = (all: Completion[]) => all.map(({ path }) => path).filter((path) => path !== '')
/** Options with a closed list of values, each flag once. */
const choicesOf = (all: Completion[]) =>
  new Map(all.flatMap(({ options }) => options.filter((one) => one.choices.length).flatMap((one) => one.flags.map((flag) => [flag, one.choices] as const))))
/** `a|b) body ;;`, or nothing when there is nothing to match. */
const branch = (words: readonly string[], body: string) => (words.length ? `    ${words.map(single).join('|')}) ${body} ;;\n` : '')

/** The loop of both shells: the words so far, as far as they are commands. */
const walk = (all: Completion[], from: number, until: string, word: string) => `  local at='' i
  for ((i = ${from}; i < ${until}; i++)); do
    case "\${at:+$at }\${${word}}" in
  ${branch(paths(all), `at="\${at:+$at }\${${word}}"`)}    esac
  done
`

function bash(all: Completion[]): string {
  const here = all.map(({ path, commands, options, choices }) => {
    const words = [...commands.map(({ name }) => name), ...choices, ...options.flatMap(({ flags }) => flags)]
    return branch([path], `COMPREPLY=($(compgen -W ${single(words.join(' '))} -- "$current"))`)
  })
  const values = [...choicesOf(all)].map(([flag, choices]) => branch([flag], `COMPREPLY=($(compgen -W ${single(choices.join(' '))} -- "$current")); return`))
  return `# Completion of soma for bash: source <(npx soma completion bash)
_soma() {
  local current=\${COMP_WORDS[COMP_CWORD]}
${walk(all, 1, 'COMP_CWORD', 'COMP_WORDS[i]')}  case "\${COMP_WORDS[COMP_CWORD - 1]}" in
${branch(flagsThat(all, 'file'), 'COMPREPLY=($(compgen -f -- "$current")); return')}${branch(flagsThat(all, 'text'), 'COMPREPLY=(); return')}${values.join('')}  esac
  case "$at" in
${here.join('')}  esac
}
complete -o filenames -F _soma soma
`
}

function zsh(all: Completion[]): string {
  const described = (name: string, about: string) => single(`${name.replaceAll(':', '\\:')}:${about}`)
  const here = all.map(({ path, commands, options, choices }) => {
    const words = [...commands.map(({ name, about }) => described(name, about)), ...choices.map((choice) => single(choice))]
    const flags = options.flatMap((option) => option.flags.map((flag) => described(flag, option.about)))
    return branch([path], `words_here=(${words.join(' ')}); flags_here=(${flags.join(' ')})`)
  })
  const values = [...choicesOf(all)].map(([flag, choices]) => branch([flag], `compadd -- ${choices.map(single).join(' ')}; return`))
  return `#compdef soma
# Completion of soma for zsh: put this into a folder of your fpath as _soma
_soma() {
  local -a words_here flags_here
${walk(all, 2, 'CURRENT', 'words[i]')}  case "\${words[CURRENT - 1]}" in
${branch(flagsThat(all, 'file'), '_files; return')}${branch(flagsThat(all, 'text'), 'return')}${values.join('')}  esac
  case "$at" in
${here.join('')}  esac
  _describe -t commands 'soma' words_here
  _describe -o -t options 'option' flags_here
}
if [ "$funcstack[1]" = _soma ]; then _soma "$@"; else compdef _soma soma; fi
`
}

function fishScript(all: Completion[]): string {
  const lines = all.flatMap(({ path, commands, options, choices }) => {
    const at = `complete -c soma -n ${fish(`__soma_at ${fish(path)}`)}`
    return [
      ...commands.map(({ name, about }) => `${at} -a ${fish(name)} -d ${fish(about)}`),
      ...choices.map((choice) => `${at} -a ${fish(choice)}`),
      ...options.map(({ flags, about, takes, choices: values }) => {
        const spelled = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`)).join(' ')
        const value = values.length ? ` -x -a ${fish(values.join(' '))}` : takes === 'file' ? ' -r -F' : takes === 'text' ? ' -x' : ''
        return `${at} ${spelled}${value} -d ${fish(about)}`
      }),
    ]
  })
  return `# Completion of soma for fish
set -g __soma_paths ${paths(all).map(fish).join(' ')}
function __soma_at
  set -l at ''
  for word in (commandline -opc)[2..-1]
    set -l next (string trim -- "$at $word")
    contains -- $next $__soma_paths; and set at $next
  end
  test "$at" = "$argv[1]"
end
complete -c soma -f
${lines.join('\n')}
`
}

/** The script of each shell. */
export const writersByShell = { bash, zsh, fish: fishScript } as const
