// The cases that every implementation passes, and the telemetry of a task.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import cases from '../cases.json' with { type: 'json' }
import { answer } from './lines.mjs'
import { byCodePoint, decimal } from './src/report.js'
import { settingsFrom } from './src/settings.js'
import { execute } from './src/task.js'

function recorder() {
  const told = { steps: [], attributes: {}, metrics: {} }
  return {
    told,
    progress: (fraction) => told.steps.push(fraction),
    attribute: (name, value) => (told.attributes[name] = value),
    metric: (name, value, labels) => (told.metrics[name] = { value, labels }),
  }
}

test('each case gives what it should', () => {
  for (const line of cases) assert.equal(answer(line), line.expect, line.about)
})

test('fractions are rounded half up', () => {
  const rows = [
    [1, 3, '0.3333'],
    [2, 3, '0.6667'],
    [1, 20000, '0.0001'],
    [-1, 20000, '0.0000'],
    [-7, 2, '-3.5000'],
    [5, 0, '0.0000'],
  ]
  for (const [numerator, denominator, expected] of rows) {
    assert.equal(decimal(numerator, denominator), expected)
  }
})

test('terms are ordered by code point', () => {
  const order = ['a', 'ab', 'z', 'ﾡ', '𐐨', '𐐨a']
  assert.deepEqual([...order].reverse().sort(byCodePoint), order)
})

test('what was done is reported', () => {
  const teller = recorder()
  execute({ payload: '{"text": "the end of the world"}', attempt: 1 }, settingsFrom([]), teller)
  assert.deepEqual(teller.told.attributes, { bytes: '20', tokens: '5', language: 'en' })
  assert.deepEqual(teller.told.metrics.text_stats_bytes, { value: 20, labels: [] })
  assert.deepEqual(teller.told.metrics.text_stats_tokens, {
    value: 5,
    labels: [{ name: 'language', value: 'en' }],
  })
  assert.equal(teller.told.steps.at(-1), 1)
})

test('a long text tells how far it is', () => {
  const teller = recorder()
  execute({ payload: JSON.stringify({ text: 'ab '.repeat(50000) }), attempt: 1 }, settingsFrom([]), teller)
  assert.equal(teller.told.steps.length, 3)
  assert.deepEqual(teller.told.steps, [...teller.told.steps].sort())
})

test('a parameter that is not JSON is refused', () => {
  const expected = 'invalid-input: parameter `top_terms` must be a whole number from 0 to 100'
  assert.equal(answer({ parameters: { top_terms: 'x' }, payload: '' }), expected)
})
