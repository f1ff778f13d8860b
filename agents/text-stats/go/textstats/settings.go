package textstats

const (
	mostTerms     = 100
	mostStopWords = 1000
)

var knownParameters = []string{"busy_attempts", "max_bytes", "max_distinct", "stop_words", "top_terms"}

// Settings are the operator's parameters, checked once when the agent starts.
type Settings struct {
	BusyAttempts int // so many attempts at each task are answered as unavailable
	maxBytes     int
	maxDistinct  int             // bounds the memory that a text can take
	stopWords    map[string]bool // folded as tokens are
	topTerms     int
}

// NewSettings reads parameters by name, each as JSON.
func NewSettings(parameters map[string]string) (*Settings, error) {
	values := map[string]any{}
	for name, text := range parameters {
		// What is not JSON is null, which fits nothing.
		values[name], _ = parse(text)
	}
	if err := refuseUnknown("parameter", values, knownParameters); err != nil {
		return nil, err
	}
	settings := &Settings{maxBytes: 2_097_152, maxDistinct: 100_000, topTerms: 10}
	read := reader{values: values}
	read.whole("busy_attempts", 0, 10, &settings.BusyAttempts)
	read.whole("max_bytes", 1, 4_194_304, &settings.maxBytes)
	read.whole("max_distinct", 1, 1_000_000, &settings.maxDistinct)
	settings.stopWords = read.stopWords()
	read.whole("top_terms", 0, mostTerms, &settings.topTerms)
	return settings, read.err
}

// reader keeps the first thing that is wrong.
type reader struct {
	values map[string]any
	err    error
}

// whole leaves the number as it is where the parameter is not set.
func (r *reader) whole(name string, low, high int, number *int) {
	value, set := r.values[name]
	if !set || r.err != nil {
		return
	}
	given, fits := whole(value, low, high)
	if !fits {
		r.err = invalidInput("parameter `%s` must be a whole number from %d to %d", name, low, high)
	}
	*number = given
}

func (r *reader) stopWords() map[string]bool {
	words := map[string]bool{}
	value, set := r.values["stop_words"]
	if !set || r.err != nil {
		return words
	}
	list, fits := value.([]any)
	fits = fits && len(list) <= mostStopWords
	for n := 0; fits && n < len(list); n++ {
		var word string
		word, fits = list[n].(string)
		words[fold(word)] = true
	}
	if !fits {
		r.err = invalidInput("parameter `stop_words` must be an array of at most %d strings", mostStopWords)
	}
	return words
}
