// Reading JSON as every implementation reads it, and the words for what does not fit.

import { invalidInput } from './errors.js'
import { byCodePoint } from './report.js'

/** So much of an unknown name is repeated. */
const SHOWN_CHARACTERS = 40

/** The value of a JSON text; throws where there is none. */
export function parse(text) {
  const value = JSON.parse(text)
  refuseOddities(value)
  return value
}

/** What a value is, in words. */
export function kindOf(value) {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

/** Whether a value is a whole number between two, both included. */
export const isWhole = (value, low, high) => Number.isInteger(value) && low <= value && value <= high

/** Refuses names that are not known, so that a typing mistake does not turn into a default. */
export function refuseUnknown(what, names, known) {
  const unknown = names.filter((name) => !known.includes(name)).sort(byCodePoint)
  if (unknown.length === 0) return
  const characters = [...unknown[0]]
  const shown = characters.slice(0, SHOWN_CHARACTERS).join('') + (characters.length > SHOWN_CHARACTERS ? '…' : '')
  const listed = known.map((name) => `\`${name}\``).join(', ')
  throw invalidInput(`unknown ${what} \`${shown}\`: known are ${listed}`)
}

// JavaScript alone reads an escape that is half a character, and takes a number that is too large for
// infinity. (A range, since StarlingMonkey does not know `\p{Surrogate}`.)
function refuseOddities(value) {
  if (typeof value === 'string') {
    if (/[\ud800-\udfff]/u.test(value)) throw new SyntaxError('half a character')
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new SyntaxError('a number that is too large')
  } else if (value !== null && typeof value === 'object') {
    for (const [name, inner] of Object.entries(value)) {
      refuseOddities(name)
      refuseOddities(inner)
    }
  }
}
