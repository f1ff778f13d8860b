"""The cases that every implementation passes, and the telemetry of a task."""

import json
import unittest
from pathlib import Path

from lines import answer
from text_stats.report import decimal
from text_stats.settings import Settings
from text_stats.task import execute

CASES = json.loads((Path(__file__).parent.parent / "cases.json").read_text(encoding="utf-8"))


class Recorder:
    """Keeps the telemetry that it gets."""

    def __init__(self):
        self.steps, self.attributes, self.metrics = [], {}, {}

    def progress(self, fraction, message):
        self.steps.append(fraction)

    def attribute(self, name, value):
        self.attributes[name] = value

    def metric(self, name, value, labels):
        self.metrics[name] = (value, labels)


class TextStats(unittest.TestCase):
    def test_each_case_gives_what_it_should(self):
        for case in CASES:
            with self.subTest(case["about"]):
                self.assertEqual(answer(case), case["expect"])

    def test_fractions_are_rounded_half_up(self):
        rows = [(1, 3, "0.3333"), (2, 3, "0.6667"), (1, 20_000, "0.0001"), (-1, 20_000, "0.0000"), (-7, 2, "-3.5000")]
        for numerator, denominator, expected in rows:
            self.assertEqual(decimal(numerator, denominator), expected)

    def test_what_was_done_is_reported(self):
        told = Recorder()
        execute('{"text": "the end of the world"}', 1, Settings.read({}), told)
        self.assertEqual(told.attributes, {"bytes": "20", "tokens": "5", "language": "en"})
        self.assertEqual(told.metrics["text_stats_tokens"], (5, {"language": "en"}))
        self.assertEqual(told.metrics["text_stats_bytes"], (20, {}))
        self.assertEqual(told.steps[-1], 1.0)

    def test_a_long_text_tells_how_far_it_is(self):
        told = Recorder()
        execute(json.dumps({"text": "ab " * 50_000}), 1, Settings.read({}), told)
        self.assertEqual(len(told.steps), 3)
        self.assertEqual(told.steps, sorted(told.steps))

    def test_a_parameter_that_is_not_json_is_refused(self):
        expected = "invalid-input: parameter `top_terms` must be a whole number from 0 to 100"
        self.assertEqual(answer({"parameters": {"top_terms": "x"}, "payload": ""}), expected)


if __name__ == "__main__":
    unittest.main()
