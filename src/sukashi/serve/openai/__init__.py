"""OpenAI's images API: the routes under /v1/."""
