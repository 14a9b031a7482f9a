"""A mailbox for development: catches mail and SMS, keeps them, shows them. Sends nothing on."""
