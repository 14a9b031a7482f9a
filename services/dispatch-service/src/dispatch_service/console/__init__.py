"""The console's pages: what messages look like, and a way to try them out."""
