"""HTTP as JSON: all that the console can do, and what other systems are told."""
