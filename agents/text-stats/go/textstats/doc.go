// Package textstats counts a text's tokens, sentences and terms, and guesses its language. It knows
// nothing of a host.
package textstats

// What may be embedded lies in the package's own folder.
//go:generate cp ../../data/unicode.json ../../data/profiles.json .
