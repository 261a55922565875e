"""What is compared against: the plain things agencies do, and the two anchors `raw` and `null`."""
