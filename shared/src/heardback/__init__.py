"""What every Heardback service is made of: events, effects that happen once, durable timers."""
