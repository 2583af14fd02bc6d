"""Parameter-space experiments as pure transforms of parameter pytrees."""
