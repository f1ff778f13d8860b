// Runs tasks outside a host: JSON lines `{"parameters": {…}, "payload": "…", "attempt": 1}` in, a
// line each out. Parameters are JSON text, as in the contract. `../compare.py` holds the
// implementations against each other with it.

import { createInterface } from 'node:readline'

import { settingsFrom } from './src/settings.js'
import { execute } from './src/task.js'

/** The output, or the error's case and message. */
export function answer({ parameters = {}, payload, attempt = 1 }) {
  try {
    return execute({ payload, attempt }, settingsFrom(Object.entries(parameters)))
  } catch (error) {
    if (error.tag === undefined) throw error
    return `${error.tag}: ${error.val.message ?? error.val}`
  }
}

if (import.meta.filename === process.argv[1]) {
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(answer(JSON.parse(line)))
  }
}
