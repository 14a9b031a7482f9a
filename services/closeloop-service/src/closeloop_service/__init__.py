"""Closes the loop: an owner task for every detractor, two clocks, and the board."""
