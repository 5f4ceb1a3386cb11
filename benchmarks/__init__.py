"""What the whole analysis costs, against the published method done as published. Run ``python -m benchmarks``."""
