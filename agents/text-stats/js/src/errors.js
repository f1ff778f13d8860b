// The contract's errors as the bindings want them: thrown, tagged, a `val` each.

/** The input is wrong and will stay wrong. */
export const invalidInput = (message) => ({ tag: 'invalid-input', val: message })

/** Something that may pass, and when. No `BigInt`, though it is a `u64`: QuickJS traps on one. */
export const unavailable = (message, retryAfterMs) => ({
  tag: 'unavailable',
  val: { message, retryAfterMs },
})

/** The work failed for good. */
export const failed = (message) => ({ tag: 'failed', val: message })
