"""What leaves the instrument: reports, tables, pictures."""
