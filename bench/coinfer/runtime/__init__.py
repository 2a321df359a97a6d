"""Device, source and hub reactors, and the drivers that give them time."""
