"""One exported network on one device: what every engine promises, and the engines that there are."""
