"""Training of the bundled networks. Needs the `train` extra; nothing at run time imports it."""
