// Writes `unicode.json`: what every implementation knows about characters.
//
//   node data/unicode.mjs
//
// Each language's own library follows another version of Unicode, so that one would call a token
// what the other does not. The tables are made once, from what Node ships (the version is in the
// file), and embedded everywhere. Running this with another Node changes every output a little.
import { writeFileSync } from 'node:fs'

// In this order they are numbered; 0 is any other script, and digits and marks that belong to none.
const SCRIPTS = [
  'Other', 'Latin', 'Cyrillic', 'Greek', 'Arabic', 'Hebrew', 'Devanagari', 'Bengali', 'Gurmukhi',
  'Gujarati', 'Tamil', 'Telugu', 'Kannada', 'Malayalam', 'Sinhala', 'Thai', 'Lao', 'Khmer',
  'Myanmar', 'Tibetan', 'Ethiopic', 'Armenian', 'Georgian', 'Hangul', 'Kana', 'Han',
]
const LAST = 0x10ffff

const word = /^[\p{L}\p{M}\p{Nd}]$/u
// By extension, so that the long-vowel mark, which Hiragana and Katakana share, is Kana. Not below
// the East Asian blocks: general accents have these extensions too.
const EAST_ASIAN = 0x2e80
const kana = /^[\p{Script_Extensions=Hiragana}\p{Script_Extensions=Katakana}]$/u
const han = /^\p{Script_Extensions=Han}$/u
const stop = /^[\p{Sentence_Terminal}\u2026]$/u
const scripts = SCRIPTS.map((name) =>
  ['Other', 'Kana', 'Han'].includes(name) ? null : new RegExp(`^\\p{Script=${name}}$`, 'u'))

function scriptOf(char) {
  if (!word.test(char)) return null
  const eastAsian = char.codePointAt(0) >= EAST_ASIAN
  if (eastAsian && kana.test(char)) return SCRIPTS.indexOf('Kana')
  if (eastAsian && han.test(char)) return SCRIPTS.indexOf('Han')
  return Math.max(0, scripts.findIndex((script) => script?.test(char)))
}

// Only mappings of one character to one: `İ` stays as it is.
function shiftOf(char) {
  const lower = [...char.toLowerCase()]
  return lower.length === 1 && lower[0] !== char ? lower[0].codePointAt(0) - char.codePointAt(0) : null
}

// Runs of code points that are `step` apart and have the same value.
function runs(valueOf, steps) {
  const found = []
  for (let code = 0; code <= LAST; code++) {
    if (code === 0xd800) code = 0xe000
    const value = valueOf(String.fromCodePoint(code))
    if (value === null) continue
    const run = found.at(-1)
    const step = run && code - run.last
    if (run && run.value === value && steps.includes(step) && (run.step ?? step) === step) {
      Object.assign(run, { last: code, step })
    } else {
      found.push({ first: code, last: code, value })
    }
  }
  return found
}

const words = runs(scriptOf, [1]).map(({ first, last, value }) => [first, last, value])
const stops = runs((char) => (stop.test(char) ? 0 : null), [1]).map(({ first, last }) => [first, last])
const lower = runs(shiftOf, [1, 2]).map(({ first, last, step, value }) => [first, last, step ?? 1, value])

function rows(table) {
  const lines = []
  for (let at = 0; at < table.length; at += 8) {
    lines.push('    ' + table.slice(at, at + 8).map((row) => JSON.stringify(row)).join(','))
  }
  return `[\n${lines.join(',\n')}\n  ]`
}

writeFileSync(new URL('unicode.json', import.meta.url), `{
  "unicode": "${process.versions.unicode}",
  "scripts": ${JSON.stringify(SCRIPTS)},
  "words": ${rows(words)},
  "stops": ${rows(stops)},
  "lower": ${rows(lower)}
}
`)
