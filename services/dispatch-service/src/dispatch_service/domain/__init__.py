"""What is decided about an invitation; pure."""
