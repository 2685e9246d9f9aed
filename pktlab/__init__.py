"""pktlab."""
