"""What the studies share; a study imports from here and from flowkit, never from another study."""
