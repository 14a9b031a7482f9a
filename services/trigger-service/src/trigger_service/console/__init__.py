"""The console's pages: programs, their editor, and why a customer was asked."""
