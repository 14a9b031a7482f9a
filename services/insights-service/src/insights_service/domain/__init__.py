"""What counts, and what the counts say: pure."""
