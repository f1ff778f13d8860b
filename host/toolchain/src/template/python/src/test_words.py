"""Tests of the agent's logic, natively: `python3 -m unittest discover src`."""

import unittest

from words import count_words


class CountWords(unittest.TestCase):
    def test_words_are_counted(self) -> None:
        self.assertEqual(count_words(" one two\n\tthree "), 3)

    def test_no_text_has_no_words(self) -> None:
        self.assertEqual(count_words(""), 0)


if __name__ == "__main__":
    unittest.main()
