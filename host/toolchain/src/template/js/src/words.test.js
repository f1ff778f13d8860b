// Tests of the agent's logic, natively: `node --test`.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { countWords } from './words.js'

test('words are counted', () => {
  assert.equal(countWords(' one two\n\tthree '), 3)
})

test('no text has no words', () => {
  assert.equal(countWords(''), 0)
})
