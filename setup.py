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

ENGINE = "uprobe_core/cengine"
GLUE = "backends/uprobe_unicorn/glue"
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-g"] if SANITIZE else []
FLAGS = ["-std=c11", "-O3", "-pthread", "-Wall", "-Wextra", "-fvisibility=hidden"]
STRICT = ["-Werror"] if REQUIRE else []


def extension(name: str, folder: str, *more: str) -> Extension:
    """The extension *name* from all sources in *folder*; its headers are listed so that sdists have them."""
    headers = [header for each in (folder, *more) for header in sorted(glob.glob(f"{each}/*.h"))]
    return Extension(
        name,
        sources=sorted(glob.glob(f"{folder}/*.c")),
        depends=headers,
        include_dirs=[folder, *more],
        extra_compile_args=[*FLAGS, *STRICT, *SANITIZERS],
        extra_link_args=["-pthread", *SANITIZERS],
        optional=not REQUIRE,
    )


EXTENSIONS = [extension("uprobe_core._engine", ENGINE)]
if glob.glob(f"{GLUE}/*.c"):
    EXTENSIONS.append(extension("uprobe_unicorn._glue", GLUE, ENGINE))

setup(ext_modules=[] if DISABLE else EXTENSIONS)
