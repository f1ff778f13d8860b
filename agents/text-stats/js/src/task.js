// One task from payload to output, apart from the host: telemetry goes to a `teller`.

import { failed, unavailable } from './errors.js'
import { guess } from './language.js'
import { report } from './report.js'
import { requestFrom } from './request.js'
import { TooManyTokens, scan } from './scan.js'

const RETRY_AFTER_MS = 100
/** Share of the work that is over when the text is counted. */
const COUNTED = 0.9

/**
 * @typedef {object} Teller takes the telemetry of a task
 * @property {(fraction: number, message: string) => void} progress
 * @property {(name: string, value: string) => void} attribute
 * @property {(name: string, value: number, labels: {name: string, value: string}[]) => void} metric
 */

/** A teller that drops all telemetry. */
export const SILENT = { progress() {}, attribute() {}, metric() {} }

/**
 * @param {{payload: string, attempt: number}} task
 * @param {ReturnType<import('./settings.js').settingsFrom>} settings
 * @param {Teller} teller
 * @returns {string} the output, as JSON
 */
export function execute({ payload, attempt }, settings, teller = SILENT) {
  refuseWhileBusy(attempt, settings)
  const { text, bytes, top, language } = requestFrom(payload, settings)
  teller.attribute('bytes', String(bytes))
  const found = count(text, settings, teller)
  const guessed = language ? guess(found) : null

  const code = guessed?.code ?? 'none'
  teller.attribute('tokens', String(found.tokens))
  teller.attribute('language', code)
  teller.metric('text_stats_bytes', bytes, [])
  teller.metric('text_stats_tokens', found.tokens, [{ name: 'language', value: code }])
  const output = report(found, bytes, { top, stopWords: settings.stopWords }, guessed)
  teller.progress(1, 'done')
  return output
}

// For an operator who wants to see what the host does with a failure that passes.
function refuseWhileBusy(attempt, { busyAttempts }) {
  if (attempt > busyAttempts) return
  throw unavailable(`busy for the first ${busyAttempts} attempts, this is attempt ${attempt}`, RETRY_AFTER_MS)
}

function count(text, { maxDistinct }, teller) {
  try {
    return scan(text, maxDistinct, (done) => teller.progress(done * COUNTED, 'counting'))
  } catch (error) {
    if (!(error instanceof TooManyTokens)) throw error
    throw failed(`the text has more than ${maxDistinct} distinct tokens`)
  }
}
