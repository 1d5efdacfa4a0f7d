"""Stand-in for magic-filter, written for tests: `F.text` is true for a message that has a text."""


class MagicFilter:
    def __init__(self, path=()):
        self._path = path

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return MagicFilter((*self._path, name))

    def resolve(self, value):
        for name in self._path:
            value = getattr(value, name, None)
        return value


F = MagicFilter()
