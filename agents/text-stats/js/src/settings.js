// The operator's parameters, checked once when the agent starts.

import { invalidInput } from './errors.js'
import { isWhole, parse, refuseUnknown } from './json.js'
import { fold } from './scan.js'

const KNOWN = ['busy_attempts', 'max_bytes', 'max_distinct', 'stop_words', 'top_terms']
export const MOST_TERMS = 100
const MOST_STOP_WORDS = 1000

/**
 * @param {[string, string][]} parameters names, each with JSON
 * @returns {{busyAttempts: number, maxBytes: number, maxDistinct: number, stopWords: Set<string>, topTerms: number}}
 */
export function settingsFrom(parameters) {
  const texts = new Map(parameters)
  refuseUnknown('parameter', [...texts.keys()], KNOWN)
  const value = (name) => {
    try {
      return parse(texts.get(name))
    } catch {
      return undefined // fits nothing, so it is refused as any wrong value is
    }
  }
  const whole = (name, low, high, standard) => {
    if (!texts.has(name)) return standard
    const number = value(name)
    if (isWhole(number, low, high)) return number
    throw invalidInput(`parameter \`${name}\` must be a whole number from ${low} to ${high}`)
  }
  const strings = (name) => {
    if (!texts.has(name)) return []
    const list = value(name)
    const fits =
      Array.isArray(list) && list.length <= MOST_STOP_WORDS && list.every((word) => typeof word === 'string')
    if (fits) return list
    throw invalidInput(`parameter \`${name}\` must be an array of at most ${MOST_STOP_WORDS} strings`)
  }
  return {
    busyAttempts: whole('busy_attempts', 0, 10, 0),
    maxBytes: whole('max_bytes', 1, 4194304, 2097152),
    maxDistinct: whole('max_distinct', 1, 1000000, 100000),
    stopWords: new Set(strings('stop_words').map(fold)),
    topTerms: whole('top_terms', 0, MOST_TERMS, 10),
  }
}
