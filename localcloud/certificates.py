"""The private CA that stands for AWS's: made once, kept in the cache. No AWS.

Clients find the local cloud at AWS's real names, so it shows certificates for them. The CA signs
only names below AWS's domains (a critical name constraint, RFC 5280, 4.2.1.10): a client that
trusts it trusts it for nothing else. Machines trust it through the base image, the operator through
its session.
"""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from common.file_lock import locked

DOMAIN = "amazonaws.com"
NEWER_DOMAIN = "api.aws"  # of services such as S3 Vectors
CACHES = f"local.use1.cache.{DOMAIN}"  # the domain of caches in patches/elasticache.py
REGISTRIES = f"dkr.ecr.us-east-1.{DOMAIN}"  # one name below it for each registry
NAMES = (
    DOMAIN,
    f"*.{DOMAIN}",
    f"*.us-east-1.{DOMAIN}",
    f"api.ecr.us-east-1.{DOMAIN}",
    f"*.{REGISTRIES}",
    f"*.us-east-1.{NEWER_DOMAIN}",
    f"*.s3.{DOMAIN}",
    f"*.s3.us-east-1.{DOMAIN}",
    f"*.dualstack.us-east-1.{DOMAIN}",
    f"*.s3.dualstack.us-east-1.{DOMAIN}",
    f"*.{CACHES}",
)
LIFE = timedelta(days=3650)
RENEW_BEFORE = timedelta(days=30)


@dataclass(frozen=True)
class Certificates:
    """The files: the CA's certificate, and the server's certificate and key."""

    ca: Path
    server: Path
    server_key: Path


def certificates(folder: Path) -> Certificates:
    """Return the certificates in ``folder``, made again when they are missing, are about to expire,
    lack a name, or do not belong together.
    """
    found = Certificates(folder / "ca.crt", folder / "server.crt", folder / "server.key")
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "lock"):  # clouds that share the cache have one CA
        if not _is_current(found):
            _make(found)
    return found


def _is_current(found: Certificates) -> bool:
    if not (found.ca.exists() and found.server.exists() and found.server_key.exists()):
        return False
    try:
        ca, server = (
            x509.load_pem_x509_certificate(path.read_bytes()) for path in (found.ca, found.server)
        )
        server.verify_directly_issued_by(ca)
    except (ValueError, InvalidSignature):  # left by who was killed while it made them
        return False
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    lasts = server.not_valid_after_utc - RENEW_BEFORE > datetime.now(UTC)
    return lasts and set(NAMES) <= set(names.get_values_for_type(x509.DNSName))


def _make(files: Certificates) -> None:
    """Make CA and server certificate together; the CA's key is never written to disk."""
    ca_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = _name("Raykiln local cloud CA")
    ca = _signed(_authority(_builder(issuer, issuer, ca_key.public_key())), ca_key)
    server = _signed(_leaf(_builder(_name(DOMAIN), issuer, server_key.public_key()), ca), ca_key)
    _write(files.server_key, _pem_key(server_key), 0o600)
    _write(files.server, server.public_bytes(serialization.Encoding.PEM), 0o644)
    _write(files.ca, ca.public_bytes(serialization.Encoding.PEM), 0o644)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _authority(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
    everything = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]
    constraints = x509.NameConstraints(
        permitted_subtrees=[x509.DNSName(DOMAIN), x509.DNSName(NEWER_DOMAIN)],
        excluded_subtrees=[x509.IPAddress(network) for network in everything],
    )
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(constraints, critical=True)
    )


def _leaf(builder: x509.CertificateBuilder, ca: x509.Certificate) -> x509.CertificateBuilder:
    identifier = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in NAMES]), critical=False
        )
    )


def _signed(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    return builder.sign(key, hashes.SHA256())


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    path.touch(mode=mode)
    path.chmod(mode)
    path.write_bytes(content)
