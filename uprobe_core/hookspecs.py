"""Hooks for plugins that are not chosen but always called: the ``uprobe.plugins`` group.

An entry point in this group is a class without constructor arguments or a
module; its functions carry :data:`hookimpl`.  Every installed plugin of the
group is loaded when a session starts (``UPROBE_LOAD_PLUGINS`` restricts that)
and all of them are called, ordered by entry-point name.  None of these hooks
is on the path of a hit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uprobe_core.hook_markers import HookimplMarker, HookspecMarker

if TYPE_CHECKING:
    from collections.abc import Iterable

    from uprobe_core.backend import ExitStatus
    from uprobe_core.run_setup import RunSetup

__all__ = ("PROJECT", "PluginHooks", "hookimpl", "hookspec")

PROJECT = "uprobe.plugins"
hookspec = HookspecMarker(PROJECT)
hookimpl = HookimplMarker(PROJECT)


class PluginHooks:
    """The specifications of the ``uprobe.plugins`` group."""

    @hookspec
    def uprobe_arch_wrappers(self) -> Iterable[Any]:
        """Return objects to register beside the arch plugin, each with arch hooks of its own.

        Called once per session, before the arch operations are bound, so a
        wrapper around ``pre_xol`` (say) costs what a plain call costs.  Their
        methods carry :data:`uprobe_core.arch_hooks.hookimpl`, usually with
        ``wrapper=True``.  All results are used.  None counts as no wrappers.
        Where there are any, the run is the Python engine's, because the native
        one steps without calling arch operations, and ``--mode auto`` is ``trap``,
        the mode that calls them at each hit (``inline`` is warned about; it only
        asks for verdicts and returns).  What a wrapper raises or answers wrongly is
        an error of the run that names the plugin.
        """
        raise AssertionError("specification only")

    @hookspec
    def uprobe_configure(self, setup: RunSetup) -> None:
        """Look at the set-up of a run before anything of it is opened.

        Called once per session.  Raise an :class:`~uprobe_core.errors.UprobeError`
        to refuse the run; the set-up itself cannot be changed.  Results are ignored.
        """
        raise AssertionError("specification only")

    @hookspec
    def uprobe_session_start(self, session: Any) -> None:
        """Look at a session whose program is loaded and of which nothing has run.

        Called once per session; probes may still be added to *session* (a
        :class:`uprobe_core.session.Session`).  Results are ignored.
        """
        raise AssertionError("specification only")

    @hookspec
    def uprobe_session_finish(self, session: Any, status: ExitStatus | None) -> None:
        """Look at a session that ended; *status* is None if the run ended by an error of ours.

        Called once per session that started, before its output is closed.
        Results are ignored.
        """
        raise AssertionError("specification only")
