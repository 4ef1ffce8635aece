"""Content Credentials: the key, the manifest, the chain back to the source."""

import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dfl.video.credentials import (
    CannotSign,
    Signer,
    check,
    config_folder,
    make_signer,
    own_signer,
    sign,
    signer_problem,
)
from dfl.video.marking import SOURCE_TYPE
from tests.video.conftest import ClipMaker, ffmpeg

c2pa = pytest.importorskip("c2pa")
x509 = pytest.importorskip("cryptography.x509")


@pytest.fixture
def clip(make_clip: ClipMaker, tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(make_clip("plain.mp4").read_bytes())
    return path


def store(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        found: dict[str, Any] = json.loads(c2pa.Reader("mp4", stream).json())
    return found


def test_the_manifest_says_what_was_done(clip: Path) -> None:
    sign(clip, SOURCE_TYPE)
    found = store(clip)
    manifest = found["manifests"][found["active_manifest"]]
    actions = next(part for part in manifest["assertions"] if part["label"] == "c2pa.actions.v2")["data"]["actions"]
    assert [(action["action"], action["digitalSourceType"]) for action in actions] == [("c2pa.created", SOURCE_TYPE)]
    assert manifest["claim_version"] == 2
    assert "thumbnail" not in manifest
    failures = found["validation_results"]["activeManifest"]["failure"]
    assert [failure["code"] for failure in failures] == ["signingCredential.untrusted"]
    assert check(clip) == "valid"


def test_a_signed_source_becomes_the_parent(clip: Path, make_clip: ClipMaker, tmp_path: Path) -> None:
    sign(clip, SOURCE_TYPE)
    result = tmp_path / "result.mp4"
    ffmpeg("-i", make_clip("plain.mp4"), "-c", "copy", result)
    sign(result, SOURCE_TYPE, source=clip)
    found = store(result)
    manifest = found["manifests"][found["active_manifest"]]
    actions = next(part for part in manifest["assertions"] if part["label"] == "c2pa.actions.v2")["data"]["actions"]
    assert [action["action"] for action in actions] == ["c2pa.opened", "c2pa.edited"]
    assert [part["relationship"] for part in manifest["ingredients"]] == ["parentOf"]
    assert check(result) == "valid"
    sign(result, SOURCE_TYPE, source=make_clip("plain.mp4"))  # a source without credentials is no parent
    assert check(result) == "valid"


def test_the_key_is_made_once_and_is_private(own_config: Path) -> None:
    made = own_signer()
    assert own_signer() == made
    path = own_config / "signing.pem"
    if os.name != "nt":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in own_config.iterdir()] == ["signing.pem"]


def test_a_damaged_key_file_is_replaced(own_config: Path, clip: Path) -> None:
    own_config.mkdir()
    (own_config / "signing.pem").write_bytes(b"no key \xff")
    sign(clip, SOURCE_TYPE)
    assert check(clip) == "valid"


@pytest.mark.parametrize("days", [400, -365 * 20])
def test_a_key_outside_its_dates_is_made_anew(own_config: Path, clip: Path, days: int) -> None:
    made = make_signer(datetime.now(UTC) + timedelta(days=days))
    assert "only" in signer_problem(made)
    own_config.mkdir()
    (own_config / "signing.pem").write_bytes(made.key + made.chain)
    sign(clip, SOURCE_TYPE)
    assert check(clip) == "valid"
    assert own_signer() == own_signer() != made


def test_why_a_certificate_of_ones_own_cannot_sign() -> None:
    first, second = make_signer(), make_signer()
    assert signer_problem(first) == ""
    assert "is not that of" in signer_problem(Signer(first.chain, second.key))
    assert "certificate is no PEM" in signer_problem(Signer(b"\x30\x82", first.key))
    assert "key is no PEM" in signer_problem(Signer(first.chain, b"key"))


def test_certificates_name_the_program_only() -> None:
    leaf, root = x509.load_pem_x509_certificates(own_signer().chain)
    assert leaf.subject.rfc4514_string() == "CN=dfl,O=dfl"
    assert leaf.issuer == root.subject == root.issuer
    leaf.verify_directly_issued_by(root)
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [purpose.dotted_string for purpose in usage] == ["1.3.6.1.5.5.7.3.4"]
    assert leaf.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature


def test_the_users_configuration_folder(monkeypatch: pytest.MonkeyPatch, own_config: Path) -> None:
    assert config_folder() == own_config
    monkeypatch.delenv("DFL_CONFIG")
    assert config_folder().name == "dfl"


def test_what_cannot_be_signed(tmp_path: Path, clip: Path) -> None:
    with pytest.raises(CannotSign, match=r"\.mkv files"):
        sign(tmp_path / "result.mkv", SOURCE_TYPE)
    before = clip.read_bytes()
    with pytest.raises(CannotSign):
        sign(clip, SOURCE_TYPE, signer=Signer(b"no chain", b"no key"))
    assert clip.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_files_without_them(clip: Path, tmp_path: Path) -> None:
    assert check(clip) == "none"
    assert check(tmp_path / "text.txt") == "none"
