"""Training one model on several targets."""
