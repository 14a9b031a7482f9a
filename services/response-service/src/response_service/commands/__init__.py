"""What response-service does: each a function or a class within a transaction."""
