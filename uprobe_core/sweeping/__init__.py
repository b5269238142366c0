"""Many runs of one set-up: cells of a matrix or a table, here or on a cluster, and what they found."""
