// One pass over a text: tokens, sentences, scripts.

import { SCRIPTS, character } from './tables.js'

/** Longer words than this count as long (LIX). */
const SHORT_WORD = 6
/** Progress is reported each time this many characters are done. */
const PROGRESS_CHARACTERS = 65536

const [APOSTROPHE, QUOTE] = [0x27, 0x2019]
/** Behind the last character. */
const NONE = { script: -1, single: false }
const [TAB, LF, CR, SPACE, FULL_STOP] = [0x09, 0x0a, 0x0d, 0x20, 0x2e]

/** A word as its token is counted: in lower case, with one kind of apostrophe. */
export function fold(word) {
  return Array.from(word, (char) => {
    const code = char.codePointAt(0)
    return String.fromCodePoint(code === QUOTE ? APOSTROPHE : character(code).lower)
  }).join('')
}

/** More distinct tokens than may be kept. */
export class TooManyTokens extends Error {}

/**
 * Counts what there is in a text.
 *
 * @param {string} text
 * @param {number} maxDistinct past so many distinct tokens it throws `TooManyTokens`
 * @param {(fraction: number) => void} progress told how much of the text is done
 */
export function scan(text, maxDistinct, progress = () => {}) {
  const codes = Array.from(text, (char) => char.codePointAt(0))
  const found = {
    characters: codes.length,
    tokens: 0,
    wordCharacters: 0,
    longWords: 0,
    sentences: 0,
    /** @type {Map<string, number>} */
    counts: new Map(),
    scripts: SCRIPTS.map(() => 0),
  }
  let token = []
  let open = false // whether the sentence has a token
  let newlines = 0 // since the last character that is no white space

  const endToken = () => {
    if (token.length === 0) return
    const term = String.fromCodePoint(...token)
    found.tokens += 1
    found.wordCharacters += token.length
    if (token.length > SHORT_WORD) found.longWords += 1
    found.counts.set(term, (found.counts.get(term) ?? 0) + 1)
    if (found.counts.size > maxDistinct) throw new TooManyTokens()
    token = []
    open = true
  }
  const endSentence = () => {
    if (open) found.sentences += 1
    open = false
  }

  codes.forEach((code, at) => {
    if (at > 0 && at % PROGRESS_CHARACTERS === 0) progress(at / codes.length)
    const { script, single, lower, stop } = character(code)
    if (script >= 0) {
      found.scripts[script] += 1
      newlines = 0
      if (single) endToken()
      token.push(lower)
      if (single) endToken()
      return
    }
    const next = at + 1 < codes.length ? character(codes[at + 1]) : NONE
    if (code === APOSTROPHE || code === QUOTE) {
      newlines = 0
      if (token.length > 0 && next.script >= 0 && !next.single) token.push(APOSTROPHE)
      else endToken()
      return
    }
    endToken()
    if (code === LF) {
      newlines += 1
      if (newlines === 2) endSentence()
    } else if (code !== SPACE && code !== TAB && code !== CR) {
      newlines = 0
      const inside = code === FULL_STOP && next.script >= 0 // 3.14
      if (stop && !inside) endSentence()
    }
  })
  endToken()
  endSentence()
  return found
}
