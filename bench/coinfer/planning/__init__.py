"""Planning: who runs which student of which partition; pure functions on plain values."""
