"""Print the oldest versions that pyproject.toml allows, as constraints for pip."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
# Peers and the tools of pages are not flowkit's to run with.
wanted = [
    *project["dependencies"],
    *(r for name in extras if name != "bench" for r in extras[name]),
]
for requirement in wanted:
    if match := re.fullmatch(r"([\w-]+)(?:\[[\w,-]+\])?>=([\d.]+)", requirement):
        print("{}=={}".format(*match.groups()))
