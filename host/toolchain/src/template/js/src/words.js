// What the agent does, without a word about the contract.

/**
 * How many words a text has: stretches without white space.
 *
 * @param {string} text
 */
export function countWords(text) {
  return text.split(/\s+/).filter((word) => word !== '').length
}
