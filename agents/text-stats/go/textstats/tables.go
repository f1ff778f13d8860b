package textstats

import (
	_ "embed"
	"encoding/json"
	"slices"
	"sort"
)

// What is known about characters and languages: `../../data`, the same for every implementation.

//go:embed unicode.json
var unicodeJSON []byte

//go:embed profiles.json
var profilesJSON []byte

const noScript = -1

// Rows lie in ascending order and do not overlap.
type unicodeTable struct {
	Scripts []string
	Words   [][3]rune // first, last, script
	Stops   [][2]rune // first, last
	Lower   [][4]rune // first, last, step, distance to the lower case
}

type language struct {
	Code, Script string
	Words        []string // frequent ones; none where the script says it all
}

var (
	chars     = read[unicodeTable](unicodeJSON)
	languages = read[struct{ Languages []language }](profilesJSON).Languages
	kana, han = slices.Index(chars.Scripts, "Kana"), slices.Index(chars.Scripts, "Han")
)

// The data is part of the program and the tests read it, so an error here is a bug.
func read[T any](data []byte) (table T) {
	if err := json.Unmarshal(data, &table); err != nil {
		panic(err)
	}
	return table
}

// scriptOf is the number of the script of a word character; noScript for any other character.
func scriptOf(c rune) int {
	at := sort.Search(len(chars.Words), func(n int) bool { return chars.Words[n][1] >= c })
	if at == len(chars.Words) || chars.Words[at][0] > c {
		return noScript
	}
	return int(chars.Words[at][2])
}

// isSingle tells whether a script's characters are tokens one by one, since it is written without spaces.
func isSingle(script int) bool { return script == kana || script == han }

// isStop tells whether a character ends a sentence.
func isStop(c rune) bool {
	at := sort.Search(len(chars.Stops), func(n int) bool { return chars.Stops[n][1] >= c })
	return at < len(chars.Stops) && chars.Stops[at][0] <= c
}

// lower is the lower case of a character, where that is one character.
func lower(c rune) rune {
	at := sort.Search(len(chars.Lower), func(n int) bool { return chars.Lower[n][1] >= c })
	if at == len(chars.Lower) {
		return c
	}
	first, step, shift := chars.Lower[at][0], chars.Lower[at][2], chars.Lower[at][3]
	if first > c || (c-first)%step != 0 {
		return c
	}
	return c + shift
}
