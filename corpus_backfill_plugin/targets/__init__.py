"""Other machines, containers and accounts: the way there, and a run there shown here."""
