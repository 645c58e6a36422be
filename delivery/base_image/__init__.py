"""The image that apps are built on: whether its tag has moved on, and the digest in the stack's file."""
