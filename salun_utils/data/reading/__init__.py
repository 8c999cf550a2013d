"""Reading pictures that a user has: folders, archives, tables, and what holds several of them."""
