"""Whether a stack can be deployed from here and by whom one is, before anything is changed."""
