"""How a laboratory makes its own set of cells to train with."""
