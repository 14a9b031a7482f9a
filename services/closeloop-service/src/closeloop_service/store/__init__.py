"""Loads and saves what closeloop knows: a batch at a time, locked in one order."""
