"""What would have happened: rules played over an event, past events or what was recorded."""
