"""The near end of a run: started from here, shown to a person, reported."""
