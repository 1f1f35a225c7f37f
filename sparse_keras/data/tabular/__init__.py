"""Tables: from raw columns to the arrays that a model takes, and back."""
