"""Mails per second: dispatch-service against its SMTP client alone."""
