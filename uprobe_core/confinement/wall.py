"""The outer wall of a run, layer by layer.

It is raised in two steps, since what is opened between them is opened with all
rights: namespaces before anything of the guest's is opened, the rest before
its first instruction.  Neither step can be undone, and children inherit both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from uprobe_core.confinement import landlock, namespaces, rights, seccomp
from uprobe_core.confinement.host_calls import ARCHITECTURE
from uprobe_core.confinement.places import Places, places_of
from uprobe_core.errors import TargetError
from uprobe_core.run_setup import RunSetup

__all__ = ("LAYERS", "Layer", "Wall")

LAYERS = {
    "namespaces": "users, mounts, network, IPC and UTS of its own",
    "mounts": "nothing can be changed outside of the folders that were given",
    "no_new_privs": "no program that is executed gets more rights",
    "scope": "signals and abstract sockets reach the run alone",
    "landlock": "nothing can be opened outside of the folders that were given",
    "capabilities": "none, of root's those over files",
    "seccomp": "the host's system calls that the emulator needs",
}
"""What each layer leaves, in the order in which they are raised."""


class Layer:
    """One layer, and why it is missing: "" if it is there."""

    def __init__(self, name: str, missing: str) -> None:
        self.name, self.missing = name, missing


class Wall:
    """What confines this process.

    :param network: whether the host's network stays
    """

    def __init__(self, places: Places, *, network: bool) -> None:
        self._places, self._network = places, network
        self.layers: list[Layer] = []
        """Those that were raised or found missing so far."""

    @classmethod
    def of(cls, setup: RunSetup) -> Wall:
        """The wall that *setup* means."""
        return cls(places_of(setup), network=setup.allow_net)

    @property
    def missing(self) -> list[Layer]:
        """Those that the host does not allow."""
        return [layer for layer in self.layers if layer.missing]

    @property
    def isolated(self) -> bool:
        """Whether the process has a network to itself."""
        return not self._network and any(l.name == "namespaces" and not l.missing for l in self.layers)

    def begin(self) -> None:
        """The first step, before libraries have started threads, which would stay outside.

        Files may be made in the whole folder of temporary ones until the second step.
        """
        places = self._places
        writing = (*places.writing, places.temporary)
        self._raise("namespaces", lambda: namespaces.enter(network=not self._network))
        if self.missing:
            self.layers.append(Layer("mounts", "there are no namespaces"))
        else:
            self._raise("mounts", lambda: namespaces.only_writable(writing))
        self._raise("no_new_privs", rights.no_new_privileges)
        self._raise("scope", landlock.check_scope)
        self._raise("landlock", lambda: landlock.restrict(places.reading, writing, scoped=True))
        self._raise("capabilities", lambda: rights.drop_capabilities(files=True))
        rights.lower_limits()

    def finish(self, folders: Iterable[str] = ()) -> None:
        """The second step, when everything is open: of temporary files only our own, and system calls.

        :param folders: what the run has made for itself and changes
        """
        places = self._places
        if not any(layer.name == "landlock" for layer in self.missing):
            landlock.restrict(places.reading, (*places.writing, *folders), (places.temporary,))
        self._raise("seccomp", lambda: seccomp.install(ARCHITECTURE))

    def _raise(self, name: str, step: Callable[[], None]) -> None:
        why = ""
        try:
            step()
        except OSError as error:
            why = (error.strerror or str(error)).lower()
        except KeyError:
            why = f"not for {ARCHITECTURE}"
        self.layers.append(Layer(name, why))

    def check(self) -> None:
        """Raise TargetError if a layer is missing."""
        if self.missing:
            raise TargetError(
                self.describe_missing(),
                exit_status=125,
                slug="no-sandbox",
                hint="--sandbox=auto goes on with what there is; docs/sandbox.md says what each layer does",
            )

    def describe_missing(self) -> str:
        """A sentence about the layers that are not there."""
        listed = ", ".join(f"{layer.name} ({layer.missing})" for layer in self.missing)
        return f"not all of the sandbox can be had here: {listed}"
