"""What tests of the services are made of: a manual clock, counted ids, builders, real parts."""
