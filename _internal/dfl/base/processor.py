"""What the processor can do. Needs nothing but Python: the doctor uses it when packages are broken."""

import sys
from pathlib import Path

# Flags that change what is computed how fast: TensorFlow needs the first, bfloat16 pays with one of the last two.
FLAGS = ("avx", "avx2", "avx512f", "avx512_bf16", "amx_bf16")
BFLOAT16_FLAGS = frozenset(FLAGS[-2:])
# Numbers of IsProcessorFeaturePresent; Windows knows no number for bfloat16.
_WINDOWS_FLAGS = {"avx": 39, "avx2": 40, "avx512f": 41}


def processor_flags() -> list[str] | None:
    """Those of FLAGS that the processor has; None where the system gives no answer."""
    if sys.platform == "win32":
        import ctypes

        has = ctypes.windll.kernel32.IsProcessorFeaturePresent
        return [flag for flag, number in _WINDOWS_FLAGS.items() if has(number)]
    words = processor_facts().get("flags", "").split()
    return [flag for flag in FLAGS if flag in words] if words else None


def processor_facts() -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo; empty on other systems."""
    source = Path("/proc/cpuinfo")
    if not source.is_file():
        return {}
    lines = source.read_text(encoding="utf-8", errors="replace").split("\n\n")[0].splitlines()
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
