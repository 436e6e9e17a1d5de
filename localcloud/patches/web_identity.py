"""A role is assumed with the token of an identity provider that its trust policy names.

Follows https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html: the token is
a JWT of a provider that the account has, for an audience that the provider has, signed with a key
that the issuer publishes; then the role's trust policy decides, with the keys of
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html (aud,
sub, amr) below the issuer's name. Without aud in the token, azp would count; that is refused here.
The words are those that aws-actions/configure-aws-credentials' users quote (its issues 280, 775,
1446). moto takes any token for any role.

An issuer's keys are not fetched from the internet, but read from a file of a folder (``follow``):
``ISSUER`` without its scheme, ``.json``, a JSON Web Key Set (RFC 7517) of RSA keys.
"""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.iam.models import iam_backends
from moto.sts.responses import TokenResponse

from localcloud import world
from localcloud.account import ACCOUNT
from localcloud.patches.iam.policies import Answer, Check, decide, statements
from localcloud.world import World

ACTION = "sts:AssumeRoleWithWebIdentity"
_folder: list[Path] = []


class Refused(ServiceException):  # type: ignore[misc]  # moto has no types
    """An error of STS."""


@dataclass(frozen=True)
class Identity:
    """Whom a token that holds is for: its claims, and the provider that vouches for it."""

    claims: dict[str, Any]
    provider: str  # its ARN

    @property
    def issuer(self) -> str:
        """Return the issuer's name, without its scheme."""
        return self.provider.partition("oidc-provider/")[2]


def follow(folder: Path | None) -> None:
    """Read the keys of issuers from this folder from now on, or none."""
    _folder[:] = [folder] if folder else []


def assume_role_with_web_identity(self: Any) -> ActionResult:
    """Check the token, then the trust policy, and begin a session of the role."""
    identity = verified(self._get_param("WebIdentityToken"))
    arn, name = self._get_param("RoleArn"), self._get_param("RoleSessionName")
    role = next((r for r in iam_backends[ACCOUNT]["aws"].roles.values() if r.arn == arn), None)
    if role is None or not trusts(role.assume_role_policy_document, arn, identity):
        raise Refused("AccessDenied", f"Not authorized to perform {ACTION}")
    seconds = self._get_int_param("DurationSeconds", 3600)
    if seconds > int(role.max_session_duration or 3600):
        raise Refused(
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        )
    session = self.backend.assume_role_with_web_identity(
        region_name=self.region,
        role_session_name=name,
        role_arn=arn,
        policy=self._get_param("Policy"),
        duration=seconds,
        external_id=None,
    )
    return ActionResult(
        {
            "Credentials": session,
            "AssumedRoleUser": {"AssumedRoleId": session.user_id, "Arn": session.arn},
            "SubjectFromWebIdentityToken": identity.claims["sub"],
            "Audience": identity.claims["aud"],
            "Provider": identity.provider,
        }
    )


def verified(token: str) -> Identity:
    """Return whom a token is for; raises Refused unless it holds."""
    try:
        head, body, signature = (_decoded(part) for part in token.split("."))
        header, claims = json.loads(head), json.loads(body)
        issuer, audience, expires = claims["iss"], claims["aud"], float(claims["exp"])
    except (ValueError, KeyError) as error:
        raise _invalid("The ID Token provided is not a valid JWT.") from error
    provider = _provider_of(issuer)
    if provider is None:
        raise _invalid(f"No OpenIDConnect provider found in your account for {issuer}")
    if audience not in provider.client_id_list:
        raise _invalid("Incorrect token audience")
    if header.get("alg") != "RS256" or not _is_signed(token, signature, _keys_of(issuer), header):
        raise _invalid("Couldn't retrieve verification key from your identity provider")
    if expires <= world.now():
        raise Refused("ExpiredTokenException", "Token expired")
    return Identity(claims, provider.arn)


def trusts(policy: str, role: str, identity: Identity) -> bool:
    """Say whether a trust policy lets this identity assume the role."""
    context = {
        f"{identity.issuer}:{claim}".lower(): (str(identity.claims[claim]),)
        for claim in ("aud", "sub", "amr")
        if claim in identity.claims
    }
    # An account or a role as principal is not whom a provider vouches for.
    kept = [one for one in statements(policy) if "AWS" not in str(_kinds(one))]
    document = json.dumps({"Statement": kept})
    return decide([document], Check(ACTION, role, context), identity.provider) is Answer.ALLOWED


def _kinds(statement: dict[str, Any]) -> Any:
    principal = statement.get("Principal", "*")
    return list(principal) if isinstance(principal, dict) else principal


def _invalid(message: str) -> Refused:
    return Refused("InvalidIdentityToken", message)


def _provider_of(issuer: str) -> Any:
    """Return the account's provider with this issuer; None if it has none."""
    providers = iam_backends[ACCOUNT]["aws"].open_id_providers.values()
    return next((one for one in providers if f"https://{_bare(one.url)}" == issuer), None)


def _bare(url: str) -> str:
    return url.removeprefix("https://").rstrip("/")


def _keys_of(issuer: str) -> list[dict[str, str]]:
    """Return the keys that an issuer publishes; raises Refused when it cannot be asked."""
    for folder in _folder:
        file = folder / f"{_bare(issuer)}.json"
        if file.exists():
            return list(json.loads(file.read_text())["keys"])
    raise Refused("IDPCommunicationError", "The identity provider could not be reached.")


def _is_signed(token: str, signature: bytes, keys: list[dict[str, str]], header: Any) -> bool:
    signed = token.rpartition(".")[0].encode()
    for key in keys:
        if key["kid"] == header.get("kid"):
            numbers = RSAPublicNumbers(_number(key["e"]), _number(key["n"]))
            try:
                numbers.public_key().verify(signature, signed, PKCS1v15(), SHA256())
            except InvalidSignature:
                return False
            return True
    return False


def _number(text: str) -> int:
    return int.from_bytes(_decoded(text))


def _decoded(text: str) -> bytes:
    """Decode base64url without padding (RFC 7515)."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def install() -> None:
    """Put this in place of moto's."""
    TokenResponse.assume_role_with_web_identity = assume_role_with_web_identity


def attach(world: World) -> None:
    """In a new world no issuer publishes anything."""
    follow(None)
