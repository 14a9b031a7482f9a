"""dispatch-service: sends each invitation once, by mail, and lets its recipient out."""
