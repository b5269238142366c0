"""Build the optional native engine; everything else is declared in pyproject.toml.

UPROBE_DISABLE_NATIVE=1 builds without it, UPROBE_REQUIRE_NATIVE=1 makes a
failed build an error.  Both at once is a contradiction and refused.
UPROBE_SANITIZE=1 builds with the address and undefined-behaviour sanitizers.
"""

import glob
import os

from setuptools import Extension, setup

DISABLE = os.environ.get("UPROBE_DISABLE_NATIVE") == "1"
REQUIRE = os.environ.get("UPROBE_REQUIRE_NATIVE") == "1"
SANITIZE = os.environ.get("UPROBE_SANITIZE") == "1"
if DISABLE and REQUIRE:
    raise SystemExit("UPROBE_DISABLE_NATIVE and UPROBE_REQUIRE_NATIVE are both set; pick one")

ENGINE = "uprobe_core/native/c"
GLUE = "backends/uprobe_unicorn/native"
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-g"] if SANITIZE else []
FLAGS = ["-std=c11", "-O3", "-pthread", "-Wall", "-Wextra", "-fvisibility=hidden"]
STRICT = ["-Werror"] if REQUIRE else []


def extension(name: str, folders: list[str], *more: str) -> Extension:
    """The extension *name* from all sources in *folders*; its headers are listed so that sdists have them."""
    return Extension(
        name,
        sources=sorted(source for folder in folders for source in glob.glob(f"{folder}/*.c")),
        depends=sorted(header for folder in (*folders, *more) for header in glob.glob(f"{folder}/*.h")),
        include_dirs=[*folders, *more],
        extra_compile_args=[*FLAGS, *STRICT, *SANITIZERS],
        extra_link_args=["-pthread", *SANITIZERS],
        optional=not REQUIRE,
    )


EXTENSIONS = [extension("uprobe_core.native._engine", [ENGINE, f"{ENGINE}/python"])]
if glob.glob(f"{GLUE}/*/*.c"):
    ROOMS = [f"{GLUE}/{room}" for room in ("glue", "calls", "tcg")]
    EXTENSIONS.append(extension("uprobe_unicorn.native._glue", ROOMS, ENGINE))

setup(ext_modules=[] if DISABLE else EXTENSIONS)
