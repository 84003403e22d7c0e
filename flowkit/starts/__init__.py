"""The classical models that densities are initialised from."""
