"""What a chat completion says, as OpenAI's protocol has it and as servers have it that keep to it by and large."""

from collections.abc import Mapping
from typing import Any

from zeroshift.generators.sifting import marked


def said_in(choice: Mapping[str, Any]) -> str:
    """What a choice says; marked where the limit of tokens broke it off."""
    return marked(text_of(choice["message"]["content"]), choice.get("finish_reason") == "length")


def text_of(content: object) -> str:
    """What a message says: its text, or the texts of its parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "\n".join(text for text in texts if isinstance(text, str))


def tokens_of(usage: object) -> int:
    """The tokens that an answer is said to have cost; 0 where that is not said."""
    said = usage.get("total_tokens") if isinstance(usage, dict) else None
    return said if isinstance(said, int) and said > 0 else 0
