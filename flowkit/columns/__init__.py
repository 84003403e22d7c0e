"""What is learned about columns before any training: location, scale, noise, gaps."""
