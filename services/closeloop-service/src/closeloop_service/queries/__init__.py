"""The read side: what boards and other systems ask."""
