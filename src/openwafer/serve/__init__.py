"""A service that spreads work over wafers and GPUs: OpenAI's API in front of simulated, estimated and real
backends."""

from typing import TYPE_CHECKING

from openwafer._later import later

if TYPE_CHECKING:
    from openwafer.serve._build import Local, load_local, make_backends
    from openwafer.serve._server import Listen, bound, check_open, open_log, require_serve, serve
    from openwafer.serve.api._keys import Keys, load_keys
    from openwafer.serve.api._service import Options, Service
    from openwafer.serve.backends._file import EstimatedSpec, UpstreamSpec, WaferSpec, read_backends
    from openwafer.serve.router._policy import Policy, default_text, load_policy
    from openwafer.serve.traces._run import Outcome, run_trace
    from openwafer.serve.traces._summary import summary, write_results
    from openwafer.serve.traces._trace import Trace, read_trace

__all__ = [
    "EstimatedSpec",
    "Keys",
    "Listen",
    "Local",
    "Options",
    "Outcome",
    "Policy",
    "Service",
    "Trace",
    "UpstreamSpec",
    "WaferSpec",
    "bound",
    "check_open",
    "default_text",
    "load_keys",
    "load_local",
    "load_policy",
    "make_backends",
    "open_log",
    "read_backends",
    "read_trace",
    "require_serve",
    "run_trace",
    "serve",
    "summary",
    "write_results",
]

__getattr__, __dir__ = later(
    __name__,
    {
        "_build": ("Local", "load_local", "make_backends"),
        "_server": ("Listen", "bound", "check_open", "open_log", "require_serve", "serve"),
        "api._keys": ("Keys", "load_keys"),
        "api._service": ("Options", "Service"),
        "backends._file": ("EstimatedSpec", "UpstreamSpec", "WaferSpec", "read_backends"),
        "router._policy": ("Policy", "default_text", "load_policy"),
        "traces._run": ("Outcome", "run_trace"),
        "traces._summary": ("summary", "write_results"),
        "traces._trace": ("Trace", "read_trace"),
    },
)
