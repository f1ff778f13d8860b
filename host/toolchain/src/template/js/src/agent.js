// The agent: the contract's exports round `words.js`. The types are the
// contract's; `chimera agent build` writes them to `build/types`.

import { countWords } from './words.js'

let texts = 0 // The instance lives on from task to task.
/** @type {'new' | 'inService' | 'ended'} */
let stage = 'new'

/** @type {typeof import('chimera:agent/lifecycle@0.1.0')} */
export const lifecycle = {
  init() {
    expect('new')
    stage = 'inService'
  },

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
    expect('inService')
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

  shutdown() {
    expect('inService')
    stage = 'ended'
  },
}

const outOfOrder = {
  new: 'the agent was called before init: call init first',
  inService: 'init was called a second time: it is called once in the life of an instance',
  ended: 'the agent was called after shutdown: start a new instance',
}

/**
 * The host calls in the order of the contract. A call out of order is an error in words.
 *
 * @param {keyof typeof outOfOrder} wanted
 */
function expect(wanted) {
  if (stage !== wanted) throw { tag: 'failed', val: outOfOrder[stage] }
}

/**
 * @param {string} val
 * @returns {import('chimera:agent/types@0.1.0').AgentError}
 */
function invalidInput(val) {
  return { tag: 'invalid-input', val }
}
