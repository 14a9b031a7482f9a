"""Rulebooks: the rules of the closed loop as people write them, and the rules in force."""
