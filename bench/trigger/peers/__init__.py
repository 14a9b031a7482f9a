"""What trigger-service is compared with; each module is a program of its own."""
