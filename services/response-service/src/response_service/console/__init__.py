"""The console's pages of response-service: surveys and their editor."""
