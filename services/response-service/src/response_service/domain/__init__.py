"""What is asked and what an answer changes; pure."""
