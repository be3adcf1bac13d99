"""Static packages to dynamic ones and back."""
