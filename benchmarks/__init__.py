"""What the plugin costs: counts, and ratios of programs measured in turns on one machine."""
