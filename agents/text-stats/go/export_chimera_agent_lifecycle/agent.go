//go:build wasip1

// Package export_chimera_agent_lifecycle is the agent: the contract's exports round `textstats`, in the
// order that the contract promises. The bindings, which `chimera agent build` writes to `build/bindings`,
// look for it by this name.
package export_chimera_agent_lifecycle

import (
	"errors"
	"fmt"

	witTypes "go.bytecodealliance.org/pkg/wit/types"

	telemetry "example.com/text-stats/build/bindings/chimera_agent_telemetry"
	types "example.com/text-stats/build/bindings/chimera_agent_types"
	"example.com/text-stats/textstats"
)

const (
	beforeInit = "the agent was called before init: call init first"
	secondInit = "init was called a second time: it is called once in the life of an instance"
	shutDown   = "the agent was called after shutdown: start a new instance"
)

var (
	settings     *textstats.Settings // while in service
	outOfService = beforeInit
)

type done = witTypes.Result[witTypes.Unit, types.AgentError]

func Init(config types.Config) done {
	if settings != nil {
		return refused(textstats.Failed{Message: secondInit})
	}
	if outOfService == shutDown {
		return refused(textstats.Failed{Message: shutDown})
	}
	parameters := map[string]string{}
	for _, pair := range config.Parameters {
		parameters[pair.F0] = pair.F1
	}
	read, err := textstats.NewSettings(parameters)
	if err != nil {
		return refused(err)
	}
	settings = read
	return witTypes.Ok[witTypes.Unit, types.AgentError](witTypes.Unit{})
}

func Capabilities() types.AgentCapabilities {
	capabilities := types.AgentCapabilities{
		MaxConcurrentTasks: 1,
		WantedQuota:        witTypes.None[types.ResourceQuota](),
	}
	if settings != nil {
		capabilities.SupportedTaskTypes = []string{"text-stats"}
		capabilities.Features = []string{"language-guess", "readability"}
	}
	return capabilities
}

func ExecuteTask(task types.Task) witTypes.Result[string, types.AgentError] {
	if settings == nil {
		return witTypes.Err[string](agentError(textstats.Failed{Message: outOfService}))
	}
	span := telemetry.StartTracking("text-stats")
	defer span.Drop()
	output, err := textstats.Execute(task.Payload, task.Attempt, settings, host{span})
	if err != nil {
		return witTypes.Err[string](agentError(err))
	}
	return witTypes.Ok[string, types.AgentError](output)
}

func Health() types.AgentHealth {
	switch {
	case settings == nil:
		return types.AgentHealth{Status: types.HealthStatusUnhealthy, Message: witTypes.Some(outOfService)}
	case settings.BusyAttempts > 0:
		message := fmt.Sprintf("busy for the first %d attempts of each task", settings.BusyAttempts)
		return types.AgentHealth{Status: types.HealthStatusDegraded, Message: witTypes.Some(message)}
	default:
		return types.AgentHealth{Status: types.HealthStatusHealthy, Message: witTypes.None[string]()}
	}
}

func Shutdown() done {
	if settings == nil {
		return refused(textstats.Failed{Message: outOfService})
	}
	settings, outOfService = nil, shutDown
	return witTypes.Ok[witTypes.Unit, types.AgentError](witTypes.Unit{})
}

// host tells the operator, by way of the host.
type host struct{ span *telemetry.Span }

func (h host) Progress(fraction float64, message string) {
	telemetry.Progress(fraction, witTypes.Some(message))
}

func (h host) Attribute(name, value string) {
	h.span.SetAttribute(telemetry.Label{Name: name, Value: value})
}

func (h host) Metric(name string, value float64, language string) {
	var labels []telemetry.Label
	if language != "" {
		labels = append(labels, telemetry.Label{Name: "language", Value: language})
	}
	telemetry.RecordMetric(name, value, labels)
}

func refused(err error) done {
	return witTypes.Err[witTypes.Unit](agentError(err))
}

func agentError(err error) types.AgentError {
	var invalid textstats.InvalidInput
	var unavailable textstats.Unavailable
	switch {
	case errors.As(err, &invalid):
		return types.MakeAgentErrorInvalidInput(invalid.Message)
	case errors.As(err, &unavailable):
		retry := witTypes.Some(unavailable.RetryAfterMs)
		return types.MakeAgentErrorUnavailable(types.Unavailable{Message: unavailable.Message, RetryAfterMs: retry})
	default:
		return types.MakeAgentErrorFailed(err.Error())
	}
}
