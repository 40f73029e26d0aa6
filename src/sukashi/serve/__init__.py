"""Pictures over HTTP: AUTOMATIC1111's API, OpenAI's images API and one of our own, on one queue (docs/serve.md)."""
