from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path


def python(code: str, cwd: Path) -> str:
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def fake_package(folder: Path) -> None:
    """An installed `cerebras` package that must not be touched."""
    (folder / "cerebras" / "sdk").mkdir(parents=True)
    (folder / "cerebras" / "__init__.py").write_text("MARK = 'theirs'\n")
    (folder / "cerebras" / "sdk" / "__init__.py").write_text("")
    (folder / "cerebras" / "other.py").write_text("X = 1\n")


def test_names_of_the_sdk_are_importable(tmp_path: Path) -> None:
    python(
        """
        from openwafer.host import install, SdkRuntime as ours
        install(); install()
        import sys
        from cerebras.sdk.runtime.sdkruntimepybind import SdkRuntime, MemcpyDataType, MemcpyOrder
        from cerebras.sdk.runtime.sdkruntimepybind import Task, SdkTarget, SimfabConfig, get_platform
        from cerebras.sdk.runtime.sdkruntimepybind import SdkLayout, Color, Edge, Route, RoutingPosition
        from cerebras.sdk.sdk_utils import memcpy_view, input_array_to_u32, calculate_cycles
        from cerebras.sdk import sdk_utils
        from cerebras.sdk.debug.debug_util import debug_util
        from cerebras.sdk.client import SdkCompiler
        from cerebras.appliance.pb.sdk.sdk_common_pb2 import MemcpyDataType as Same
        from cerebras.geometry.geometry import IntVector, IntRectangle
        assert SdkRuntime is ours and Same is MemcpyDataType
        assert sum(type(f).__name__ == "Shim" for f in sys.meta_path) == 1
        """,
        tmp_path,
    )


def test_what_is_not_built_fails_when_it_is_used(tmp_path: Path) -> None:
    out = python(
        """
        from openwafer.host import install
        install()
        from cerebras.sdk.runtime.sdkruntimepybind import SdkLayout, Edge
        from cerebras.sdk.debug.debug_util import debug_util
        for use in (lambda: debug_util("out", cmaddr="10.0.0.1"), lambda: SdkLayout(None), lambda: Edge.TOP):
            try:
                use()
            except Exception as reason:
                print(reason)
        """,
        tmp_path,
    )
    assert out.splitlines() == [
        "not-supported-hardware: running on the system at `10.0.0.1` is not supported yet",
        "not-supported-sdklayout: `SdkLayout` is not supported yet",
        "not-supported-sdklayout: `Edge.TOP` is not supported yet",
    ]


def test_unknown_names_are_ordinary_import_errors(tmp_path: Path) -> None:
    out = python(
        """
        from openwafer.host import install
        install()
        for line in ("import cerebras.nothing", "from cerebras.sdk.sdk_utils import nothing"):
            try:
                exec(line)
            except ImportError as reason:
                print(reason)
        """,
        tmp_path,
    )
    assert out.splitlines()[0] == "No module named 'cerebras.nothing'"
    assert "cannot import name 'nothing'" in out


def test_an_installed_package_is_hidden_in_this_process_only(tmp_path: Path) -> None:
    fake_package(tmp_path)
    code = """
        import sys
        sys.path.insert(0, ".")
        import cerebras
        print(cerebras.MARK)
        import openwafer.host
        import cerebras.other
        openwafer.host.install()
        import cerebras
        print(hasattr(cerebras, "MARK"))
        from cerebras.sdk.runtime.sdkruntimepybind import SdkRuntime
        print(SdkRuntime.__module__)
    """
    assert python(code, tmp_path).splitlines() == ["theirs", "False", "openwafer.host._runtime"]
    assert sorted(p.name for p in tmp_path.rglob("*.py")) == ["__init__.py", "__init__.py", "other.py"]


def test_without_install_nothing_changes(tmp_path: Path) -> None:
    fake_package(tmp_path)
    code = "import sys; sys.path.insert(0, '.'); import openwafer.host, cerebras; print(cerebras.MARK)"
    assert python(code, tmp_path) == "theirs\n"
