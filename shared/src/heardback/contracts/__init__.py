"""What the services say to each other and to product systems: topics, event types, payloads."""
