"""What can be asked of trigger over HTTP."""
