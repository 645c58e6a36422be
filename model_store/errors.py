"""Errors of the model store that a user sees."""


class ModelStoreError(Exception):
    """One message for the user: what is wrong, where, and what to do about it."""


class DocumentError(ModelStoreError):
    """A manifest, lock or model folder's JSON that is not what it should be; the text names file and key."""
