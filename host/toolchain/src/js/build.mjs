// Makes a component of a JavaScript project. `chimera agent build` runs it in the project's folder, whose own packages
// it imports:
//
//   <main> <engine> <world> <folder of the contract> <folder for types> <component to write> [http]

import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

const [main, engine, world, wit, types, out, http] = process.argv.slice(1)

// Types first: an editor helps with a project that does not build yet.
async function writeTypes() {
  const { $init, generateTypes } = await import('@bytecodealliance/jco-transpile/component')
  await $init
  // The file that names the package goes first; a path it would look for in a sandbox of its own.
  const names = (await readdir(wit)).sort((a, b) => (b === 'types.wit') - (a === 'types.wit'))
  const texts = await Promise.all(names.map((name) => readFile(join(wit, name), 'utf8')))
  const contract = { tag: 'source', val: texts.join('\n') }
  const options = { wit: contract, world, guest: true, features: { tag: 'list', val: [] } }
  for (const [name, content] of generateTypes(world, options)) {
    const path = join(types, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, content)
  }
}

const engines = {
  async starlingmonkey(sourcePath) {
    const { componentize } = await import('@bytecodealliance/componentize-js')
    // What imports HTTP is asked why when it replaces another. Without the rest `Date` would stand still and
    // `Math.random` repeat itself.
    const disableFeatures = http ? ['fetch-event'] : ['http', 'fetch-event']
    return componentize({ sourcePath, witPath: wit, worldName: world, disableFeatures })
  },
  async quickjs(sourcePath) {
    const { componentize } = await import('componentize-qjs')
    const jsSource = await readFile(sourcePath, 'utf8')
    return componentize({ jsSource, jsPath: sourcePath, witPath: wit, world, sync: true })
  },
}

try {
  await writeTypes()
  const { rolldown } = await import('rolldown')
  const bundle = await rolldown({ input: resolve(main), external: /^chimera:/, logLevel: 'warn' })
  const file = join(dirname(out), 'agent.js')
  const { output } = await bundle.write({ file, format: 'esm' })
  // An engine that finds no export traps later, without a word about it.
  for (const name of world === 'stateful-agent' ? ['lifecycle', 'state'] : ['lifecycle']) {
    if (!output[0].exports.includes(name)) {
      throw new Error(`${main} does not export \`${name}\`, which the contract's world ${world} asks for`)
    }
  }
  const { component } = await engines[engine](file)
  await writeFile(out, component)
} catch (error) {
  console.error(error?.message ?? error)
  process.exitCode = 1
}
