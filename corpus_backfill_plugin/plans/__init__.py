"""Plans that one person previews and another applies."""
