"""Lets a failed comparison in the helpers show both sides."""

import pytest

pytest.register_assert_rewrite("lang_blocks")
