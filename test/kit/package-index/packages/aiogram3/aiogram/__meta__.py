# The package index writes the version of each wheel here.
__version__ = "3.4.1"
