"""What leads out of the house: one adapter for each provider, all behind `interface`."""
