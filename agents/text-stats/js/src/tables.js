// What is known about characters and languages: `../../data`, the same for every implementation.

import profiles from '../../data/profiles.json' with { type: 'json' }
import unicode from '../../data/unicode.json' with { type: 'json' }

// Scripts whose characters are tokens one by one, since they are written without spaces.
export const KANA = unicode.scripts.indexOf('Kana')
export const HAN = unicode.scripts.indexOf('Han')

export const SCRIPTS = unicode.scripts
export const LANGUAGES = profiles.languages

const MOST_REMEMBERED = 4096
const remembered = new Map()

/**
 * What is known of a character: the number of the `script` of a word character, -1 for any other;
 * whether it is a token of its own (`single`); its `lower` case, where that is one character;
 * whether it ends a sentence (`stop`).
 *
 * A text has few different characters, and the engines of components interpret: asking the tables
 * anew for each would take twice as long. What is remembered is bounded, whatever the text.
 */
export function character(code) {
  let known = remembered.get(code)
  if (known === undefined) {
    if (remembered.size === MOST_REMEMBERED) remembered.clear()
    known = describe(code)
    remembered.set(code, known)
  }
  return known
}

function describe(code) {
  const script = row(unicode.words, code)?.[2] ?? -1
  return {
    script,
    single: script === KANA || script === HAN,
    lower: lower(code),
    stop: row(unicode.stops, code) !== undefined,
  }
}

function lower(code) {
  const found = row(unicode.lower, code)
  if (found === undefined) return code
  const [first, , step, shift] = found
  return (code - first) % step === 0 ? code + shift : code
}

// The row whose first two columns enclose a code point. Rows are in ascending order.
function row(rows, code) {
  let low = 0
  let high = rows.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (rows[middle][1] < code) low = middle + 1
    else high = middle
  }
  return rows[low]?.[0] <= code ? rows[low] : undefined
}
