import { Argument, type Command } from 'commander'
import { writersByShell } from './completion-scripts.ts'
import type { Globals } from './globals.ts'
import { answer } from './output.ts'

/** A command as a shell completes it. `path` is what stands before the word, such as `key create`; '' at the start. */
export type Completion = {
  path: string
  commands: { name: string; about: string }[]
  options: { flags: string[]; about: string; takes: 'nothing' | 'text' | 'file'; choices: readonly string[] }[]
  choices: readonly string[]
}

const examples = `
It completes \`soma\`, wherever that is on the PATH (node_modules/.bin, or after \`npm link\`), by what this version knows.

Examples:
  $ source <(npx soma completion bash)
  $ npx soma completion bash > ~/.local/share/bash-completion/completions/soma
  $ npx soma completion zsh > ~/.zfunc/_soma
  $ npx soma completion fish > ~/.config/fish/completions/soma.fish`

export function addCompletion(program: Command): void {
  program
    .command('completion')
    .description('print the completion of this command line for a shell')
    .addArgument(new Argument('<shell>', 'whose').choices(Object.keys(writersByShell)))
    .addHelpText('after', examples)
    .action(async (shell: keyof typeof writersByShell, _options, command: Command) => {
      const script = writersByShell[shell](completionsOf(program))
      answer(command.optsWithGlobals<Globals>(), { shell, script }, script.trimEnd())
    })
}

/** Every command of the program, from the program itself: nothing has to be kept up to date. */
export function completionsOf(program: Command, path: string[] = []): Completion[] {
  const help = program.createHelp()
  const options = [...help.visibleOptions(program), ...(path.length ? help.visibleGlobalOptions(program) : [])]
  const here: Completion = {
    path: path.join(' '),
    commands: help.visibleCommands(program).map((command) => ({ name: command.name(), about: command.description() })),
    options: options.map(({ short, long, description, required, optional, argChoices, flags }) => ({
      flags: [short, long].filter((flag) => flag !== undefined),
      about: description,
      takes: !required && !optional ? 'nothing' : /<path>/.test(flags) ? 'file' : 'text',
      choices: argChoices ?? [],
    })),
    choices: program.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
  }
  return [here, ...program.commands.flatMap((command) => completionsOf(command, [...path, command.name()]))]
}
