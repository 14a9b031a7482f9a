"""What response-service is compared with."""
