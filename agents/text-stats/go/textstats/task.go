package textstats

import (
	"fmt"
	"strconv"
)

const (
	retryAfterMs = 100
	counted      = 0.9 // share of the work that is over when the text is counted
)

// Teller takes the telemetry of a task.
type Teller interface {
	Progress(fraction float64, message string)
	Attribute(name, value string)
	// Metric records an observation; a language of "" is none.
	Metric(name string, value float64, language string)
}

// Execute gives the output of one task, as JSON, or an InvalidInput, Unavailable or Failed.
func Execute(payload string, attempt uint32, settings *Settings, teller Teller) (string, error) {
	if err := refuseWhileBusy(attempt, settings.BusyAttempts); err != nil {
		return "", err
	}
	asked, err := newRequest(payload, settings)
	if err != nil {
		return "", err
	}
	teller.Attribute("bytes", strconv.Itoa(len(asked.text)))
	counting := func(done float64) { teller.Progress(done*counted, "counting") }
	found, err := scan(asked.text, settings.maxDistinct, counting)
	if err != nil {
		return "", Failed{fmt.Sprintf("the text has more than %d distinct tokens", settings.maxDistinct)}
	}
	code := "none"
	var guessed *guess
	if asked.language {
		one := guessLanguage(found)
		guessed, code = &one, one.code
	}

	teller.Attribute("tokens", strconv.Itoa(found.tokens))
	teller.Attribute("language", code)
	teller.Metric("text_stats_bytes", float64(len(asked.text)), "")
	teller.Metric("text_stats_tokens", float64(found.tokens), code)
	output := report(asked, found, settings.stopWords, guessed)
	teller.Progress(1, "done")
	return output, nil
}

// For an operator who wants to see what the host does with a failure that passes.
func refuseWhileBusy(attempt uint32, busy int) error {
	if int(attempt) > busy {
		return nil
	}
	message := fmt.Sprintf("busy for the first %d attempts, this is attempt %d", busy, attempt)
	return Unavailable{message, retryAfterMs}
}
