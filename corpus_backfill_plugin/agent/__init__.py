"""What happens where the script runs: it imports the standard library and itself alone."""
