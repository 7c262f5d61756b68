"""The commands of the group that manage runs and specs."""
