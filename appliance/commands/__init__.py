"""The commands of the appliance, one file each."""
