package textstats

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// The order of the fields is that of the output. It is written by hand: `encoding/json` would write
// figures as floats, with as many digits as it likes. A term has letters, digits and apostrophes,
// nothing that JSON escapes.
const layout = `{"bytes":%d,"characters":%d,"tokens":%d,"distinct_tokens":%d,"sentences":%d` +
	`,"average_word_length":%s,"readability":{"lix":%s,"ari":%s},"top_terms":[%s],"language":%s}`

// report is the output of a task; `guessed` is nil where no guess was asked for.
func report(asked request, found counts, stopWords map[string]bool, guessed *guess) string {
	return fmt.Sprintf(layout,
		len(asked.text), found.characters, found.tokens, len(found.terms), found.sentences,
		decimal(found.wordCharacters, found.tokens), lix(found), ari(found),
		topTerms(found.terms, stopWords, asked.top), languageJSON(guessed))
}

// decimal is a fraction with four digits, rounded half up; zero where there is nothing to divide by.
// The numerators of large texts are past 64 bits once they are scaled.
func decimal(numerator, denominator int) string {
	if denominator == 0 {
		return "0.0000"
	}
	n, d := big.NewInt(int64(numerator)), big.NewInt(int64(denominator))
	n.Mul(n, big.NewInt(20_000)).Add(n, d)
	units := n.Div(n, d.Lsh(d, 1)).Int64() // with a positive divisor this is the floor
	sign := ""
	if units < 0 {
		sign, units = "-", -units
	}
	return fmt.Sprintf("%s%d.%04d", sign, units/10_000, units%10_000)
}

// words / sentences + 100 · long words / words
func lix(c counts) string {
	return decimal(c.tokens*c.tokens+100*c.sentences*c.longWords, c.tokens*c.sentences)
}

// 4.71 · characters / words + 0.5 · words / sentences − 21.43
func ari(c counts) string {
	numerator := 942*c.sentences*c.wordCharacters + 100*c.tokens*c.tokens - 4286*c.tokens*c.sentences
	return decimal(numerator, 200*c.tokens*c.sentences)
}

// topTerms has the most frequent first, equally frequent ones by code point, which is by byte.
func topTerms(terms map[string]int, stopWords map[string]bool, top int) string {
	var words []string
	for word := range terms {
		if !stopWords[word] {
			words = append(words, word)
		}
	}
	slices.SortFunc(words, func(a, b string) int {
		return cmp.Or(cmp.Compare(terms[b], terms[a]), cmp.Compare(a, b))
	})
	var written []string
	for _, word := range words[:min(top, len(words))] {
		written = append(written, fmt.Sprintf(`{"term":"%s","count":%d}`, word, terms[word]))
	}
	return strings.Join(written, ",")
}

func languageJSON(guessed *guess) string {
	if guessed == nil {
		return "null"
	}
	score := decimal(guessed.hits, guessed.of)
	return fmt.Sprintf(`{"code":"%s","script":"%s","score":%s}`, guessed.code, guessed.script, score)
}
