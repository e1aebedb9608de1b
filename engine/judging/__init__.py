"""One ruling: how it is asked for and read, of which judge, on one comparison or a file of them."""
