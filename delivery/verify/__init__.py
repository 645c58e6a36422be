"""`make verify-azure`: one run of everything against a real subscription, that ends with nothing left in it."""
