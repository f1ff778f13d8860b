// The agent: the contract's exports round `task.js`, in the order that the contract promises.

import { progress, recordMetric, startTracking } from 'chimera:agent/telemetry@0.1.0'

import { failed } from './errors.js'
import { settingsFrom } from './settings.js'
import { execute } from './task.js'

/** @type {'before init' | 'in service' | 'shut down'} */
let stage = 'before init'
let settings

export const lifecycle = {
  init({ parameters }) {
    if (stage === 'in service') {
      throw failed('init was called a second time: it is called once in the life of an instance')
    }
    if (stage === 'shut down') throw outOfService()
    settings = settingsFrom(parameters)
    stage = 'in service'
  },

  capabilities() {
    return {
      supportedTaskTypes: stage === 'in service' ? ['text-stats'] : [],
      maxConcurrentTasks: 1,
      wantedQuota: undefined,
      requiredEnvVars: [],
      features: stage === 'in service' ? ['language-guess', 'readability'] : [],
    }
  },

  executeTask(task) {
    refuseOutOfService()
    const span = startTracking('text-stats')
    try {
      return execute(task, settings, {
        progress,
        attribute: (name, value) => span.setAttribute({ name, value }),
        metric: recordMetric,
      })
    } finally {
      // Without this it would end when the garbage is collected.
      span[Symbol.dispose]()
    }
  },

  health() {
    if (stage !== 'in service') return { status: 'unhealthy', message: outOfService().val }
    if (settings.busyAttempts === 0) return { status: 'healthy', message: undefined }
    const message = `busy for the first ${settings.busyAttempts} attempts of each task`
    return { status: 'degraded', message }
  },

  shutdown() {
    refuseOutOfService()
    stage = 'shut down'
  },
}

function refuseOutOfService() {
  if (stage !== 'in service') throw outOfService()
}

function outOfService() {
  return stage === 'before init'
    ? failed('the agent was called before init: call init first')
    : failed('the agent was called after shutdown: start a new instance')
}
