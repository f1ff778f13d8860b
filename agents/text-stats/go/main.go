//go:build wasip1

// Command text-stats is the agent as WebAssembly: functions to call, and nothing to do by itself.
package main

import _ "example.com/text-stats/build/bindings/wit_exports"

func main() {}
