// What a task asks for.

import { invalidInput } from './errors.js'
import { isWhole, kindOf, parse, refuseUnknown } from './json.js'
import { MOST_TERMS } from './settings.js'

const KNOWN = ['language', 'text', 'top']

/**
 * @param {string} payload JSON
 * @returns {{text: string, bytes: number, top: number, language: boolean}}
 */
export function requestFrom(payload, { maxBytes, topTerms }) {
  const options = objectFrom(payload)
  refuseUnknown('option', Object.keys(options), KNOWN)
  const { text, top = topTerms, language = true } = options

  if (text === undefined) throw invalidInput('option `text` is missing')
  if (typeof text !== 'string') throw invalidInput(`option \`text\` is ${kindOf(text)}: it must be a string`)
  const bytes = utf8Length(text)
  if (bytes > maxBytes) {
    throw invalidInput(`option \`text\` has ${bytes} bytes: at most ${maxBytes} are accepted`)
  }
  if (!isWhole(top, 0, MOST_TERMS)) {
    throw invalidInput(`option \`top\` must be a whole number from 0 to ${MOST_TERMS}`)
  }
  if (typeof language !== 'boolean') throw invalidInput('option `language` must be true or false')
  return { text, bytes, top, language }
}

function objectFrom(payload) {
  let value
  try {
    value = parse(payload)
  } catch {
    throw invalidInput('payload is not JSON')
  }
  const kind = kindOf(value)
  if (kind === 'an object') return value
  throw invalidInput(`payload is ${kind}: it must be an object such as {"text": "…"}`)
}

function utf8Length(text) {
  let bytes = 0
  for (const char of text) {
    const code = char.codePointAt(0)
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
  }
  return bytes
}
