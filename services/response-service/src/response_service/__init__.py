"""response-service: the survey page, and each customer's answer, once."""
