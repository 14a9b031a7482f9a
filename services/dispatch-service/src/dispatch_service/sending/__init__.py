"""The loops that send: one for each channel, over the providers that serve it."""
