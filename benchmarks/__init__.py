"""pktlab and its peers, timed in one run: ``make bench``. A timing never decides a test."""
