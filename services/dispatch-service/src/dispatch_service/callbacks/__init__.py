"""What providers tell us later: bounces, complaints, replies. Believed only when it is proven."""
