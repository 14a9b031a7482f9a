"""Load and save what response-service owns, many rows in each statement."""
