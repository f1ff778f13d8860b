// The agent: the contract's exports round `words.js`. The types are the
// contract's; `chimera agent build` writes them to `build/types`.

import { countWords } from './words.js'

let texts = 0 // The instance lives on from task to task.

/** @type {typeof import('chimera:agent/lifecycle@0.1.0')} */
export const lifecycle = {
  init() {},

  capabilities() {
    return {
      supportedTaskTypes: [],
      maxConcurrentTasks: 1,
      wantedQuota: undefined,
      requiredEnvVars: [],
      features: [],
    }
  },

  executeTask(task) {
    const text = JSON.parse(task.payload)?.text
    if (typeof text !== 'string') {
      throw invalidInput('expected an object with a string `text`, such as {"text": "one two"}')
    }
    texts += 1
    return JSON.stringify({ words: countWords(text), texts_so_far: texts })
  },

  health() {
    return { status: 'healthy', message: undefined }
  },

  shutdown() {},
}

/**
 * @param {string} val
 * @returns {import('chimera:agent/types@0.1.0').AgentError}
 */
function invalidInput(val) {
  return { tag: 'invalid-input', val }
}
