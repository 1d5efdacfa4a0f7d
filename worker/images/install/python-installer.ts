/**
 * The program that hands a bot's own files to pip, inside the build: what they mean is pip's to say, and what a pyproject.toml
 * says is read by Python. Constant: all that came from a user is data in install.json.
 */

/** Beside install.json; run in the folder that the files' paths count from, with options for pip as arguments. */
export const pythonInstallerName = 'install.py';

export const pythonInstaller = `import json, os, sys


def refuse(message):
    sys.exit("ERROR: " + message)


def read_toml(path):
    try:
        import tomllib
    except ModuleNotFoundError:
        from pip._vendor import tomli as tomllib
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        refuse(path + " is not TOML: " + str(error))


def check_python(path, wanted):
    from pip._vendor.packaging.specifiers import InvalidSpecifier, SpecifierSet
    have = ".".join(str(part) for part in sys.version_info[:3])
    try:
        fits = not wanted or have in SpecifierSet(wanted)
    except InvalidSpecifier:
        refuse(path + " has a requires-python that is no version specifier")
    if not fits:
        refuse(path + " requires Python " + wanted + ", and this is Python " + have)


def project(path):
    """What pip is given for a pyproject.toml: the project, where pip has to build it to know, else its dependencies."""
    folder = os.path.join(".", os.path.dirname(path))
    data = read_toml(path)
    table = data.get("project")
    poetry = data.get("tool", {}).get("poetry")
    if table is None:
        if poetry and set(poetry.get("dependencies", {})) - {"python"}:
            refuse(path + " has its packages for Poetry alone, and pip does not read them")
        return []
    source = os.path.isdir(os.path.join(folder, "src")) and "build-system" in data
    if source or "dependencies" in table.get("dynamic", []):
        return [folder]
    check_python(path, table.get("requires-python"))
    wanted = table.get("dependencies", [])
    if not isinstance(wanted, list) or any(not isinstance(item, str) or item.strip().startswith("-") for item in wanted):
        refuse(path + " has dependencies that are no list of packages")
    return wanted


here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "install.json"), encoding="utf-8") as file:
    plan = json.load(file)
wanted = list(plan["requirements"])
for path in plan["files"]:
    name = os.path.basename(path)
    if name == "pyproject.toml":
        wanted += project(path)
    elif name == "setup.py":
        wanted.append(os.path.join(".", os.path.dirname(path)))
    else:
        wanted += ["-r", path]
if not wanted:
    print("There is nothing to install.")
    sys.exit()
sys.stdout.flush()
os.execv(sys.executable, [sys.executable, "-m", "pip", "install", *sys.argv[1:], *wanted])
`;
