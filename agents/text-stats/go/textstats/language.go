package textstats

const unknown = "und"

// guess is a language, and why: `hits` of so many tokens are frequent words of it.
type guess struct {
	code, script string
	hits, of     int
}

// guessLanguage goes by the script, then by the frequent words of the script's languages.
func guessLanguage(found counts) guess {
	script := chars.Scripts[mainScript(found.scripts)]
	var candidates []language
	for _, one := range languages {
		if one.Script == script {
			candidates = append(candidates, one)
		}
	}
	if len(candidates) == 1 {
		return guess{candidates[0].Code, script, 1, 1}
	}

	best := guess{unknown, script, 0, found.tokens}
	for _, one := range candidates {
		hits := 0
		for _, word := range one.Words {
			hits += found.terms[word]
		}
		if hits > best.hits {
			best.code, best.hits = one.Code, hits
		}
	}
	return best
}

// mainScript is the one with the most characters, the first of several; 0 where there is none.
func mainScript(scripts []int) (best int) {
	// Japanese is written in Han and Kana together. A fifth tells it from Chinese with a foreign name.
	japanese := scripts[kana] > 0 && scripts[kana]*5 >= scripts[han]
	most := 0
	for number := 1; number < len(scripts); number++ {
		count := scripts[number]
		switch {
		case japanese && number == kana:
			count += scripts[han]
		case japanese && number == han:
			count = 0
		}
		if count > most {
			best, most = number, count
		}
	}
	return best
}
