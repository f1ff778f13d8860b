"""What the agent does, without a word about the contract."""


def count_words(text: str) -> int:
    """How many words a text has: stretches without white space."""
    return len(text.split())
