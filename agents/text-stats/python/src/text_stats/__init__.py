"""Counts a text's tokens, sentences and terms, and guesses its language; knows nothing of a host."""
