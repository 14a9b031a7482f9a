"""The product's judgement, pure: no I/O, no clock, nothing async."""
