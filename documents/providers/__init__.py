"""Who embeds, who keeps vectors, who answers: a small interface each, with two providers."""
