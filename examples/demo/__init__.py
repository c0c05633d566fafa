"""A little bookshop, which shows every way in which a Django site uses its cache."""
