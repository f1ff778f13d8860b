//go:build wasip1

// Package export_chimera_agent_lifecycle is the agent: the contract's exports round `words`. The
// bindings, which `chimera agent build` writes to `build/bindings`, look for it by this name.
package export_chimera_agent_lifecycle

import (
	"encoding/json"

	wit "go.bytecodealliance.org/pkg/wit/types"

	types "example.com/{lower_name}/build/bindings/chimera_agent_types"
	"example.com/{lower_name}/words"
)

type done = wit.Result[wit.Unit, types.AgentError]

var texts int // The instance lives on from task to task.

type stage string

const (
	unborn    stage = "the agent was called before init: call init first"
	inService stage = "init was called a second time: it is called once in the life of an instance"
	ended     stage = "the agent was called after shutdown: start a new instance"
)

// now is where the instance is, and what a call says that is out of order then. The host calls in
// the order of the contract.
var now = unborn

func goOn(wanted, then stage) done {
	if now != wanted {
		return wit.Err[wit.Unit](types.MakeAgentErrorFailed(string(now)))
	}
	now = then
	return wit.Ok[wit.Unit, types.AgentError](wit.Unit{})
}

func Init(config types.Config) done {
	return goOn(unborn, inService)
}

func Capabilities() types.AgentCapabilities {
	return types.AgentCapabilities{
		MaxConcurrentTasks: 1,
		WantedQuota:        wit.None[types.ResourceQuota](),
	}
}

func ExecuteTask(task types.Task) wit.Result[string, types.AgentError] {
	if now != inService {
		return wit.Err[string](types.MakeAgentErrorFailed(string(now)))
	}
	var input struct {
		Text *string `json:"text"`
	}
	if err := json.Unmarshal([]byte(task.Payload), &input); err != nil {
		return invalidInput(err.Error())
	}
	if input.Text == nil {
		return invalidInput(`expected an object with a string "text", such as {"text": "one two"}`)
	}
	texts++
	output, err := json.Marshal(map[string]int{"words": words.Count(*input.Text), "texts_so_far": texts})
	if err != nil {
		return wit.Err[string](types.MakeAgentErrorFailed(err.Error()))
	}
	return wit.Ok[string, types.AgentError](string(output))
}

func Health() types.AgentHealth {
	return types.AgentHealth{Status: types.HealthStatusHealthy, Message: wit.None[string]()}
}

func Shutdown() done {
	return goOn(inService, ended)
}

func invalidInput(message string) wit.Result[string, types.AgentError] {
	return wit.Err[string](types.MakeAgentErrorInvalidInput(message))
}
