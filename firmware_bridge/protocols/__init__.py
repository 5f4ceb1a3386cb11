"""One file per controller firmware; its name is the protocol's name, its `PROTOCOL` the Stage."""
