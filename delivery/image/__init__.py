"""What is in an image, where it comes from, and both laid beside it in the registry."""
