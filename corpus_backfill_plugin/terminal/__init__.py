"""What a person sees of a run while it goes on: its output as it comes, and how far it is."""
