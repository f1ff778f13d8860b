package textstats

var knownOptions = []string{"language", "text", "top"}

// request is what a task asks for.
type request struct {
	text     string
	top      int
	language bool
}

func newRequest(payload string, settings *Settings) (asked request, err error) {
	value, err := parse(payload)
	if err != nil {
		return asked, invalidInput("payload is not JSON")
	}
	options, isObject := value.(map[string]any)
	if !isObject {
		return asked, invalidInput(`payload is %s: it must be an object such as {"text": "…"}`, kindOf(value))
	}
	if err := refuseUnknown("option", options, knownOptions); err != nil {
		return asked, err
	}
	if asked.text, err = textOption(options, settings.maxBytes); err != nil {
		return asked, err
	}
	asked.top = settings.topTerms
	if top, set := options["top"]; set {
		var fits bool
		if asked.top, fits = whole(top, 0, mostTerms); !fits {
			return asked, invalidInput("option `top` must be a whole number from 0 to %d", mostTerms)
		}
	}
	asked.language = true
	if language, set := options["language"]; set {
		var isBoolean bool
		if asked.language, isBoolean = language.(bool); !isBoolean {
			return asked, invalidInput("option `language` must be true or false")
		}
	}
	return asked, nil
}

func textOption(options map[string]any, maxBytes int) (string, error) {
	value, set := options["text"]
	if !set {
		return "", invalidInput("option `text` is missing")
	}
	text, isString := value.(string)
	if !isString {
		return "", invalidInput("option `text` is %s: it must be a string", kindOf(value))
	}
	if len(text) > maxBytes {
		return "", invalidInput("option `text` has %d bytes: at most %d are accepted", len(text), maxBytes)
	}
	return text, nil
}
