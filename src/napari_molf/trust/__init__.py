"""How far a map can be trusted: the model's card, what it has not seen."""
