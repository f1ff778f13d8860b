package textstats

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestEachCaseGivesWhatItShould(t *testing.T) {
	data, err := os.ReadFile("../../cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Line
		About, Expect string
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for _, one := range cases {
		if found := one.Answer(); found != one.Expect {
			t.Errorf("%s:\n%s\n%s", one.About, found, one.Expect)
		}
	}
}

func TestFractionsAreRoundedHalfUp(t *testing.T) {
	rows := []struct {
		numerator, denominator int
		expected               string
	}{{1, 3, "0.3333"}, {2, 3, "0.6667"}, {1, 20_000, "0.0001"}, {-1, 20_000, "0.0000"}, {-7, 2, "-3.5000"}, {5, 0, "0.0000"}}
	for _, row := range rows {
		if found := decimal(row.numerator, row.denominator); found != row.expected {
			t.Errorf("%d/%d: %s", row.numerator, row.denominator, found)
		}
	}
}

// recorder keeps how far the task was.
type recorder struct {
	Silent
	steps []float64
}

func (r *recorder) Progress(fraction float64, _ string) { r.steps = append(r.steps, fraction) }

func TestALongTextTellsHowFarItIs(t *testing.T) {
	settings, err := NewSettings(nil)
	if err != nil {
		t.Fatal(err)
	}
	told := &recorder{}
	if _, err := Execute(`{"text": "`+strings.Repeat("ab ", 50_000)+`"}`, 1, settings, told); err != nil {
		t.Fatal(err)
	}
	if len(told.steps) != 3 || !slices.IsSorted(told.steps) {
		t.Errorf("%v", told.steps)
	}
}
