"""What decides: pure, no I/O, no clock of its own."""
