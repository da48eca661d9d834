"""What screens say, as pure functions from values to lines; tested without a terminal."""
