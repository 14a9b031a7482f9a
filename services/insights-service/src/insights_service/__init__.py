"""insights-service: counts what the loop did, and says how sure it is."""
