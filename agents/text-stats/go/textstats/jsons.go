package textstats

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
)

// So much of an unknown name is repeated.
const shownCharacters = 40

// parse reads JSON as every implementation reads it.
func parse(text string) (value any, err error) {
	if hasHalfCharacter(text) {
		return nil, errors.New("half a character")
	}
	err = json.Unmarshal([]byte(text), &value)
	return value, err
}

// hasHalfCharacter finds an escape of half a surrogate pair, which Go alone reads as U+FFFD.
func hasHalfCharacter(text string) bool {
	for at := 0; at < len(text); at++ {
		if text[at] != '\\' {
			continue
		}
		switch unit := escapedUnit(text[at:]); {
		case unit >= 0xd800 && unit < 0xdc00:
			low := escapedUnit(text[min(at+6, len(text)):])
			if low < 0xdc00 || low >= 0xe000 {
				return true
			}
			at += 11
		case unit >= 0xdc00 && unit < 0xe000:
			return true
		default:
			at++ // what is escaped may be a backslash
		}
	}
	return false
}

// escapedUnit is the UTF-16 unit of an escape that a text begins with; 0 where there is none.
func escapedUnit(text string) uint64 {
	if len(text) < 6 || text[:2] != `\u` {
		return 0
	}
	unit, err := strconv.ParseUint(text[2:6], 16, 16)
	if err != nil {
		return 0
	}
	return unit
}

// kindOf is what a value is, in words.
func kindOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case float64:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "an array"
	default:
		return "an object"
	}
}

// whole is a whole number between two, both included; 10.0 is one as well.
func whole(value any, low, high int) (int, bool) {
	number, isNumber := value.(float64)
	fits := isNumber && float64(low) <= number && number <= float64(high) && number == math.Trunc(number)
	if !fits {
		return 0, false
	}
	return int(number), true
}

// refuseUnknown refuses names that are not known, so that a typing mistake does not turn into a default.
func refuseUnknown(what string, values map[string]any, known []string) error {
	var unknown []string
	for name := range values {
		if !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	shown := slices.Min(unknown)
	if characters := []rune(shown); len(characters) > shownCharacters {
		shown = string(characters[:shownCharacters]) + "…"
	}
	listed := "`" + strings.Join(known, "`, `") + "`"
	return invalidInput("unknown %s `%s`: known are %s", what, shown, listed)
}
