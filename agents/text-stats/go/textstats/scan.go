package textstats

import (
	"strings"
	"unicode/utf8"
)

const (
	shortWord          = 6     // longer words count as long (LIX)
	progressCharacters = 65536 // progress is reported each time so many are done

	apostrophe = '\''
	quote      = '\u2019'
)

// counts is what there is in a text.
type counts struct {
	characters, tokens, wordCharacters, longWords, sentences int
	terms                                                    map[string]int
	scripts                                                  []int // word characters by the number of their script
}

type scanner struct {
	counts
	token    []rune
	open     bool // the sentence has a token
	newlines int  // since the last character that is no white space
}

// fold is a word as its token is counted: in lower case, with one kind of apostrophe.
func fold(word string) string {
	return strings.Map(func(c rune) rune {
		if c == quote {
			return apostrophe
		}
		return lower(c)
	}, word)
}

// scan counts what there is in a text; it fails past `most` distinct tokens.
func scan(text string, most int, progress func(fraction float64)) (counts, error) {
	s := scanner{counts: counts{
		characters: utf8.RuneCountInString(text),
		terms:      map[string]int{},
		scripts:    make([]int, len(chars.Scripts)),
	}}
	done := 0
	for at, c := range text {
		if done > 0 && done%progressCharacters == 0 {
			progress(float64(done) / float64(s.characters))
		}
		done++
		if script := scriptOf(c); script != noScript {
			s.takeWord(c, script)
		} else {
			s.takeOther(c, text[at+utf8.RuneLen(c):])
		}
		if len(s.terms) > most {
			return s.counts, errTooManyTokens
		}
	}
	s.endToken()
	s.endSentence()
	if len(s.terms) > most {
		return s.counts, errTooManyTokens
	}
	return s.counts, nil
}

func (s *scanner) takeWord(c rune, script int) {
	s.scripts[script]++
	s.newlines = 0
	if isSingle(script) {
		s.endToken()
	}
	s.token = append(s.token, lower(c))
	if isSingle(script) {
		s.endToken()
	}
}

func (s *scanner) takeOther(c rune, rest string) {
	nextScript := noScript
	if rest != "" {
		next, _ := utf8.DecodeRuneInString(rest)
		nextScript = scriptOf(next)
	}
	if c == apostrophe || c == quote {
		s.newlines = 0
		if len(s.token) > 0 && nextScript != noScript && !isSingle(nextScript) {
			s.token = append(s.token, apostrophe)
		} else {
			s.endToken()
		}
		return
	}
	s.endToken()
	switch c {
	case '\n':
		if s.newlines++; s.newlines == 2 {
			s.endSentence()
		}
	case ' ', '\t', '\r':
	default:
		s.newlines = 0
		inside := c == '.' && nextScript != noScript // 3.14
		if isStop(c) && !inside {
			s.endSentence()
		}
	}
}

func (s *scanner) endToken() {
	if len(s.token) == 0 {
		return
	}
	s.tokens++
	s.wordCharacters += len(s.token)
	if len(s.token) > shortWord {
		s.longWords++
	}
	s.terms[string(s.token)]++
	s.token = s.token[:0]
	s.open = true
}

func (s *scanner) endSentence() {
	if s.open {
		s.sentences++
	}
	s.open = false
}
