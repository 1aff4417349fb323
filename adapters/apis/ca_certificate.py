"""GET /tls/ca.pem: the certificate of the CA that `dragoman tls init` made, for phones to install. No key is asked for, nothing secret.

200 with the certificate, 404 where there is no such CA.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from adapters.apis import ApiSettings
from adapters.authority import AuthorityError, read
from adapters.call import Api, Call, Reply, Route, Trouble
from service.errors import Refused
from service.gateway import Gateway

CONTENT_TYPE = "application/x-x509-ca-cert"
FILE_NAME = "dragoman-ca.crt"
"""Android takes a .crt for a certificate whatever its version"""


def api(gateway: Gateway, settings: ApiSettings) -> Api:
    async def show(call: Call) -> Reply:
        return Reply(
            _certificate(settings.ca_file),
            content_type=CONTENT_TYPE,
            headers=(("Content-Disposition", f'attachment; filename="{FILE_NAME}"'), ("Cache-Control", "no-store")),
        )

    return Api(name="ca_certificate", routes=(Route(path="/tls/ca.pem", handler=show, methods=frozenset({"GET"})),), word=_word)


def _certificate(file: Path | None) -> bytes:
    """Read and written anew, so that nothing else can leave, whatever somebody has put into that file."""
    try:
        if file is not None:
            return read(file).public_bytes(Encoding.PEM)
    except AuthorityError:
        pass
    raise Trouble(404, "not_found", "there is no CA certificate here")


def _word(call: Call, error: Refused | Trouble) -> Reply:
    """A sentence for a person."""
    if isinstance(error, Trouble):
        return Reply(f"{error.why}\n".encode(), status=error.status, content_type="text/plain")
    return Reply(f"{error.why}\n".encode(), status=400, content_type="text/plain")
