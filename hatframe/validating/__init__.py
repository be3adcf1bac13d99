"""What can be known about a package without running it: schema, header and metadata against each other."""
