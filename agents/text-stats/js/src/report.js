// From counts to the output: figures as decimals, terms in order, JSON with a fixed order of keys.

/** Digits behind the point. */
const DIGITS = 4
const SCALE = 10n ** BigInt(DIGITS)

/**
 * The output of a task.
 *
 * @param found what `scan` counted
 * @param {number} bytes
 * @param {{top: number, stopWords: Set<string>}} options
 * @param {{code: string, script: string, hits: number, of: number} | null} language
 */
export function report(found, bytes, { top, stopWords }, language) {
  const terms = [...found.counts]
    .filter(([term]) => !stopWords.has(term))
    .sort(byCountThenTerm)
    .slice(0, top)
    .map(([term, count]) => `{"term":${JSON.stringify(term)},"count":${count}}`)
  return (
    `{"bytes":${bytes},"characters":${found.characters},"tokens":${found.tokens}` +
    `,"distinct_tokens":${found.counts.size},"sentences":${found.sentences}` +
    `,"average_word_length":${decimal(found.wordCharacters, found.tokens)}` +
    `,"readability":{"lix":${lix(found)},"ari":${ari(found)}}` +
    `,"top_terms":[${terms.join(',')}],"language":${languageJson(language)}}`
  )
}

/** The most frequent first, equally frequent ones by code point. */
export const byCountThenTerm = ([a, n], [b, m]) => m - n || byCodePoint(a, b)

/** The order of code points; `<` would compare UTF-16, which puts U+FFxx behind emoji. */
export function byCodePoint(a, b) {
  const shorter = Math.min(a.length, b.length)
  for (let at = 0; at < shorter; at++) {
    const order = a.codePointAt(at) - b.codePointAt(at)
    if (order !== 0) return order
  }
  return a.length - b.length
}

/**
 * A fraction with four digits, rounded half up; zero where there is nothing to divide by. Floats
 * would be written differently in each language, and past 2^53 be wrong.
 */
export function decimal(numerator, denominator) {
  const [n, d] = [BigInt(numerator) * SCALE, BigInt(denominator)]
  if (d === 0n) return decimal(0, 1)
  const units = floorDivide(2n * n + d, 2n * d)
  const digits = String(units < 0n ? -units : units).padStart(DIGITS + 1, '0')
  return `${units < 0n ? '-' : ''}${digits.slice(0, -DIGITS)}.${digits.slice(-DIGITS)}`
}

/** `/` of BigInt rounds towards zero. */
const floorDivide = (n, d) => n / d - (n % d < 0n ? 1n : 0n)

// words / sentences + 100 · long words / words
function lix({ tokens, sentences, longWords }) {
  const [a, b, c] = [tokens, sentences, longWords].map(BigInt)
  return decimal(a * a + 100n * b * c, a * b)
}

// 4.71 · characters / words + 0.5 · words / sentences − 21.43
function ari({ tokens, sentences, wordCharacters }) {
  const [a, b, l] = [tokens, sentences, wordCharacters].map(BigInt)
  return decimal(942n * b * l + 100n * a * a - 4286n * a * b, 200n * a * b)
}

function languageJson(language) {
  if (language === null) return 'null'
  const { code, script, hits, of } = language
  return `{"code":${JSON.stringify(code)},"script":${JSON.stringify(script)},"score":${decimal(hits, of)}}`
}
