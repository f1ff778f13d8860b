// Guesses a text's language: by its script, then by the frequent words of the script's languages.

import { HAN, KANA, LANGUAGES, SCRIPTS } from './tables.js'

const UNKNOWN = 'und'

/**
 * @param {{scripts: number[], counts: Map<string, number>, tokens: number}} found
 * @returns {{code: string, script: string, hits: number, of: number}} `hits` of so many tokens are
 *   frequent words of the language
 */
export function guess({ scripts, counts, tokens }, languages = LANGUAGES) {
  const script = SCRIPTS[mainScript(scripts)]
  const candidates = languages.filter((language) => language.script === script)
  if (candidates.length === 1) return { code: candidates[0].code, script, hits: 1, of: 1 }

  let best = { code: UNKNOWN, script, hits: 0, of: tokens }
  for (const { code, words } of candidates) {
    const hits = words.reduce((sum, word) => sum + (counts.get(word) ?? 0), 0)
    if (hits > best.hits) best = { code, script, hits, of: tokens }
  }
  return best
}

// The script with the most characters, the first of several; 0 where there is none.
function mainScript(scripts) {
  const counts = [...scripts]
  counts[0] = 0
  // Japanese is written in Han and Kana together. A fifth tells it from Chinese with a foreign name.
  if (counts[KANA] > 0 && counts[KANA] * 5 >= counts[HAN]) {
    counts[KANA] += counts[HAN]
    counts[HAN] = 0
  }
  const most = Math.max(...counts)
  return most === 0 ? 0 : counts.indexOf(most)
}
