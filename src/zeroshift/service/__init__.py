"""Edits over HTTP: OpenAI's image API and one of its own, in front of a queue for each device."""
