package textstats

import "errors"

// Line is a task outside a host, with the parameters of its agent. Parameters and payload are JSON
// text, as in the contract.
type Line struct {
	Parameters map[string]string
	Payload    string
	Attempt    uint32
}

// Silent drops all telemetry.
type Silent struct{}

func (Silent) Progress(float64, string)       {}
func (Silent) Attribute(string, string)       {}
func (Silent) Metric(string, float64, string) {}

// Answer is the output, or the error's case and message.
func (line Line) Answer() string {
	settings, err := NewSettings(line.Parameters)
	output := ""
	if err == nil {
		output, err = Execute(line.Payload, max(line.Attempt, 1), settings, Silent{})
	}
	switch {
	case err == nil:
		return output
	case errors.As(err, new(InvalidInput)):
		return "invalid-input: " + err.Error()
	case errors.As(err, new(Unavailable)):
		return "unavailable: " + err.Error()
	default:
		return "failed: " + err.Error()
	}
}
