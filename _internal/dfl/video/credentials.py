"""Content Credentials (C2PA): a signed statement inside a file that says how it was made.

The optional extra `credentials` brings c2pa-python and cryptography; without it `sign` says so and nothing else
changes. The key is made on first use in the user's configuration folder: a root that signs one leaf and is then
forgotten. Both name only this program. Readers therefore report a valid signature by a signer they do not know.
"""

import datetime
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dfl import __version__
from dfl.base.files import replacing

SIGNED_SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".png", ".jpg", ".jpeg")
CONFIG_VARIABLE = "DFL_CONFIG"
VALID_YEARS = 10
MISSING_EXTRA = 'install "dfl[credentials]" to sign results'
# Thumbnails off, nothing fetched; above 64 MB the library works in a temporary file (measured: 250 MB for any length,
# of which the most is its hash buffer).
_SETTINGS = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"remote_manifest_fetch": False},
    "core": {"backing_store_memory_threshold_in_mb": 64},
}
_ENDS = (b"-----BEGIN PRIVATE KEY-----", b"-----BEGIN CERTIFICATE-----")
State = Literal["valid", "changed", "none", "unknown"]


class CannotSign(Exception):
    """Why a file was not signed, in words."""


@dataclass(frozen=True)
class Signer:
    """A certificate chain, leaf first, and the leaf's private key, both PEM."""

    chain: bytes
    key: bytes


def sign(path: Path, source_type: str, source: Path | None = None, signer: Signer | None = None) -> None:
    """Sign a file in place. CannotSign when it is of another kind, the extra is missing or anything goes wrong.

    `source`: the clip that it was made from; where that has Content Credentials, it becomes the parent ingredient.
    """
    if path.suffix.lower() not in SIGNED_SUFFIXES:
        raise CannotSign(f"{path.suffix} files cannot hold them")
    try:
        import c2pa
        import cryptography  # noqa: F401 - half of the extra
    except ImportError as error:
        raise CannotSign(MISSING_EXTRA) from error
    try:
        own = signer or own_signer()
        _sign(c2pa, path, source_type, source, own)
    except Exception as error:  # a mark that fails never fails the run, and the library raises many kinds
        raise CannotSign(str(error) or type(error).__name__) from error


def _sign(c2pa: Any, path: Path, source_type: str, source: Path | None, own: Signer) -> None:
    """Write a signed copy, then rename it over the file."""
    parent = source if source and check(source) in ("valid", "changed") else None
    first = "c2pa.opened" if parent else "c2pa.created"
    names = [first, "c2pa.edited"] if parent else [first]
    actions: list[dict[str, Any]] = [{"action": name, "digitalSourceType": source_type} for name in names]
    if parent:
        actions[0]["parameters"] = {"ingredientIds": ["parent"]}
    manifest = {
        "claim_version": 2,
        "claim_generator_info": [{"name": "dfl", "version": __version__}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
    }
    context = c2pa.Context.from_dict(_SETTINGS)
    builder = c2pa.Builder(manifest, context)
    if parent:
        with parent.open("rb") as stream:
            ingredient = {"title": parent.name, "relationship": "parentOf", "label": "parent"}
            builder.add_ingredient(ingredient, _format(parent), stream)
    info = c2pa.C2paSignerInfo(b"es256", own.chain, own.key, None)
    with replacing(path) as part:
        builder.sign_file(path, part, c2pa.Signer.from_info(info))


def check(path: Path) -> State:
    """The state of a file's Content Credentials: valid, changed since it was signed, none, or unknown (no library)."""
    if path.suffix.lower() not in SIGNED_SUFFIXES:
        return "none"
    try:
        import c2pa
    except ImportError:
        return "unknown"
    try:
        with path.open("rb") as stream:
            reader = c2pa.Reader.try_create(_format(path), stream, None, c2pa.Context.from_dict(_SETTINGS))
            if reader is None:
                return "none"
            with reader:
                return "valid" if reader.get_validation_state() in ("Valid", "Trusted") else "changed"
    except Exception:  # noqa: BLE001 - the library raises many kinds for damaged manifests
        return "changed"


def _format(path: Path) -> str:
    """The name that the library gives to a file's kind."""
    suffix = path.suffix.lower().lstrip(".")
    return {"jpeg": "jpg", "m4v": "mp4"}.get(suffix, suffix)


def own_signer() -> Signer:
    """This user's own key and chain, made on first use, and again when damaged or outside its dates.

    A key that was made while the clock was ahead is not valid yet when the clock is right again.
    """
    path = config_folder() / "signing.pem"
    if path.is_file():
        content = path.read_bytes()
        split = content.find(_ENDS[1])
        stored = Signer(content[split:], content[:split])
        if content.startswith(_ENDS[0]) and split > 0 and not signer_problem(stored):
            return stored
    made = make_signer()
    # One file, so that key and chain always belong together; readable by the user alone from the first byte on.
    with replacing(path) as part:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(made.key + made.chain)
    return made


def signer_problem(signer: Signer) -> str:
    """Why nothing can be signed with a chain and key, in words; empty when they are whole and valid today."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        chain = x509.load_pem_x509_certificates(signer.chain)
    except ValueError:
        return "the certificate is no PEM file"
    try:
        key = load_pem_private_key(signer.key, password=None)
    except TypeError:
        return "the key is encrypted with a password"
    except ValueError:
        return "the key is no PEM file of a private key"
    if key.public_key() != chain[0].public_key():
        return "the key is not that of the first certificate"
    now = datetime.datetime.now(datetime.UTC)
    for certificate in chain:
        first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if not first <= now <= last:
            name = certificate.subject.rfc4514_string()
            return f"the certificate of {name} is valid from {first:%Y-%m-%d} to {last:%Y-%m-%d} only"
    return ""


def config_folder() -> Path:
    """The user's configuration folder; the environment variable DFL_CONFIG names another."""
    import platformdirs

    named = os.environ.get(CONFIG_VARIABLE)
    return Path(named) if named else platformdirs.user_config_path("dfl", appauthor=False)


def make_signer(now: datetime.datetime | None = None) -> Signer:
    """A new root and leaf as the C2PA profile asks (ES256 on P-256; the leaf signs e-mail, as readers expect).

    now: when they are made, by the clock where it is not given.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    root_key = ec.generate_private_key(ec.SECP256R1())
    leaf_key = ec.generate_private_key(ec.SECP256R1())
    now = now or datetime.datetime.now(datetime.UTC)
    root = _certificate("dfl root", root_key, root_key, now, purpose=None)
    leaf = _certificate("dfl", leaf_key, root_key, now, purpose=ExtendedKeyUsageOID.EMAIL_PROTECTION)
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    return Signer(
        leaf.public_bytes(pem) + root.public_bytes(pem),
        leaf_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain),
    )


def _certificate(name: str, key: Any, root_key: Any, now: datetime.datetime, purpose: Any) -> Any:
    """One certificate, signed by the root. `purpose`: the leaf's extended key usage; None makes a root."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import NameOID

    def named(text: str) -> x509.Name:
        pairs = ((NameOID.ORGANIZATION_NAME, "dfl"), (NameOID.COMMON_NAME, text))
        return x509.Name([x509.NameAttribute(kind, value) for kind, value in pairs])

    is_root, public = purpose is None, key.public_key()
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
    )
    usage |= {"decipher_only": False, "digital_signature": not is_root, "key_cert_sign": is_root, "crl_sign": is_root}
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named("dfl root"))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))  # clocks differ
        .not_valid_after(now + datetime.timedelta(days=365 * VALID_YEARS))
        .add_extension(x509.BasicConstraints(is_root, None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
    )
    if not is_root:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    return builder.sign(root_key, hashes.SHA256())
