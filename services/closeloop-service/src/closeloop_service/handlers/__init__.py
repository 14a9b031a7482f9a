"""One function per event, timer and command: load, decide, save."""
