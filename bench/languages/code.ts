import { pick } from '../texts.ts'
import type { Known } from './known.ts'

const list = (text: string) => text.split(' ')
const verbs = list('get set load store parse render delete update create find merge split encode decode validate resolve fetch publish schedule retry')
const nouns = list('user account token session cache index record message queue config path header socket buffer cursor batch lease tenant schema vector')
const fields = list('name count limit key size state offset version timeout owner length hash format status depth rate score label type weight')
const modules = list('shared lib core server client worker tools engine storage network')

const capital = (word: string) => word[0]?.toUpperCase() + word.slice(1)
const camel = (...words: string[]) => words.map((word, i) => (i === 0 ? word : capital(word))).join('')

export const code: Known = (random) => {
  const [verb, noun, field, unit] = [pick(random, verbs), pick(random, nouns), pick(random, fields), pick(random, modules)]
  const [other, more, last] = [pick(random, verbs), pick(random, nouns), pick(random, fields)]
  const text = pick(random, [
    `function ${camel(verb, noun, field)}(${camel(more, last)}) {\n  return ${unit}.${camel(other, more)}(${camel(more, last)})\n}`,
    `def ${verb}_${noun}_${field}(self, ${more}_${last}):\n    self.${more} = ${unit}.${other}_${more}(${more}_${last})`,
    `import { ${camel(verb, noun, field)} } from '../${unit}/${noun}.ts'\nconst ${camel(more, last)} = await ${camel(verb, noun, field)}(${other})`,
    `class ${capital(noun)}${capital(field)}${capital(verb)}er extends ${capital(more)}${capital(unit)} {\n  private ${last}: ${capital(other)}\n}`,
  ])
  const query = pick(random, [
    camel(verb, noun, field),
    `${verb}_${noun}_${field}`,
    `where do we ${verb} the ${noun} ${field}`,
    `${camel(noun, field)} ${unit}`,
    `${unit}.${camel(other, more)} ${verb} ${noun}`,
  ])
  return { text, query }
}
