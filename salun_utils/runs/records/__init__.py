"""Records: what one is, where it comes from, whether it can be believed and still counts."""
