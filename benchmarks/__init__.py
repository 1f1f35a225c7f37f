"""Speed and quality, against others. Nothing here is asserted in tests."""
