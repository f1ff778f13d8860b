package textstats

import (
	"errors"
	"fmt"
)

// InvalidInput says that the input is wrong and will stay wrong.
type InvalidInput struct{ Message string }

// Unavailable says that something may pass, and when.
type Unavailable struct {
	Message      string
	RetryAfterMs uint64
}

// Failed says that the work failed for good.
type Failed struct{ Message string }

func (e InvalidInput) Error() string { return e.Message }
func (e Unavailable) Error() string  { return e.Message }
func (e Failed) Error() string       { return e.Message }

var errTooManyTokens = errors.New("more distinct tokens than may be kept")

func invalidInput(format string, values ...any) error {
	return InvalidInput{fmt.Sprintf(format, values...)}
}
