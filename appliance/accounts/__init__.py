"""Who may do what: roles, people, their passwords and PINs, tokens of programs, links for viewers."""
