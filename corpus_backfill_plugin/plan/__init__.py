"""Pinned plans: what one person previewed, so that another runs exactly that."""
