"""The release page: one static file that tells what runs where, since when, and what was deployed before."""
