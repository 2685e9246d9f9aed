"""The bulk engine held against the exact reader."""
