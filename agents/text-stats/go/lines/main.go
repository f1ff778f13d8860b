// Lines runs tasks outside a host: JSON lines `{"parameters": {…}, "payload": "…", "attempt": 1}` in,
// a line each out. `../../compare.py` holds the implementations against each other with it.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"example.com/text-stats/textstats"
)

func main() {
	lines := json.NewDecoder(os.Stdin)
	for {
		var line textstats.Line
		err := lines.Decode(&line)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(line.Answer())
	}
}
