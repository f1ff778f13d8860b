//go:build wasip1

// Command {lower_name} is the agent as WebAssembly: functions to call, and nothing to do by itself.
package main

import _ "example.com/{lower_name}/build/bindings/wit_exports"

func main() {}
