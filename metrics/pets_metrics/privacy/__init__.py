"""What is claimed of privacy, and what a reader or a party finds out all the same."""
