"""What people make of a run: cells read anew, a second reading, agreement, signatures, notes, earlier runs."""
