"""The instrument: what takes a smear and gives a differential."""
