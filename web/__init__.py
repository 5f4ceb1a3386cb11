"""The Flask page: the tally, live."""
