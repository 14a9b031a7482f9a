"""The trackers of product teams: where improvements are tickets."""
