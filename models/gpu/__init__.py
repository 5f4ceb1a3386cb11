"""A GPU of NVIDIA's, by PyCUDA and a few kernels: from a frame to what the networks take."""
