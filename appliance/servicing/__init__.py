"""What a service engineer works with: the microscope in hand, the self-test, logs, and a bundle for whoever helps."""
