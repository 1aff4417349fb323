"""Every client that callers have, unchanged: its message arrives as it was written, it reads the result, it sees an error as one.

A client is a program in `clients/` and a row below. It is called with URL KEY RECIPIENT TEXT [STYLE] and prints one line of JSON:
`id`, `error` and `sent` as it read them, `fault` as it saw it (null when there was none), or the form endpoint's answer as it is.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from install import CACHE
from running_server import KEY, RunningServer, wait_until

TEXT = "hé €😀 <b>&amp; x"
CLIENTS = Path(__file__).parent / "clients"
INTERPRETERS: dict[str, tuple[str, ...]] = {
    ".js": ("node",),
    ".php": ("php", "-d", "display_errors=stderr", "-d", f"include_path={CACHE}"),
    ".pl": ("perl",),
    ".py": (sys.executable,),
    ".rb": ("ruby",),
    ".sh": ("sh",),
}
WSDL = "/sendsms/wsdl/sendsms.wsdl"
RPC = "/sendsms/wsdl/sendsms-rpc.wsdl"
ENDPOINT = "/sendsms/soap"
FORM = "/sendsms/"


@dataclass(frozen=True, kw_only=True)
class Client:
    program: str
    path: str
    style: str = ""
    text: str = TEXT
    refusal: str = "invalid_apikey"
    """what its error says when the key is wrong"""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.program, self.path.rsplit("/", 1)[1], self.style)))

    def call(self, server: RunningServer, key: str) -> dict[str, Any]:
        program = CLIENTS / self.program
        arguments = [server.url(self.path), key, "+32495898697", self.text, *filter(None, [self.style])]
        environment = os.environ | {"NODE_PATH": str(CACHE / "node_modules"), "LC_ALL": "C.UTF-8", "no_proxy": "127.0.0.1"}
        command = [*INTERPRETERS[program.suffix], str(program), *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told.get("result") or told


ROWS = (
    Client(program="zeep_client.py", path=WSDL),
    Client(program="zeep_client.py", path=RPC),
    # suds leaves an &amp; in a text as it is, so that it arrives as &: nothing a server can see
    Client(program="suds_client.py", path=WSDL, text="hé €😀 <b>& x"),
    Client(program="suds_client.py", path=RPC, text="hé €😀 <b>& x"),
    Client(program="nusoap_client.php", path=WSDL, style="page"),
    Client(program="nusoap_client.php", path=WSDL, style="latin1", text="hé ÿ <b>&amp; x"),
    Client(program="nusoap_client.php", path=WSDL, style="utf8"),
    Client(program="nusoap_client.php", path=RPC, style="page"),
    Client(program="nusoap_client.php", path=ENDPOINT, style="no-wsdl"),
    Client(program="ext_soap.php", path=WSDL, style="named"),
    Client(program="ext_soap.php", path=WSDL, style="named-1.2"),
    Client(program="ext_soap.php", path=RPC, style="positional"),
    Client(program="node_soap.js", path=WSDL),
    Client(program="node_soap.js", path=RPC),
    Client(program="soap_lite.pl", path=WSDL),
    Client(program="soap_lite.pl", path=RPC),
    Client(program="smsmobileapi_client.py", path="/sendsms", refusal="403"),
    Client(program="requests_client.py", path=FORM, style="form"),
    Client(program="requests_client.py", path=FORM, style="json"),
    Client(program="requests_client.py", path=FORM, style="multipart"),
    Client(program="requests_client.py", path=FORM, style="get"),
    Client(program="curl.sh", path=FORM, style="encoded"),
    Client(program="curl.sh", path=FORM, style="raw", text="hé €😀 <b> x"),
    Client(program="php_curl.php", path=FORM),
    Client(program="fetch_form.js", path=FORM),
    Client(program="axios_json.js", path=FORM),
    Client(program="net_http.rb", path=FORM),
)
each_client = pytest.mark.parametrize("client", ROWS, ids=str)


@each_client
def test_message_arrives_as_written_and_result_is_read(client: Client, server: RunningServer) -> None:
    told = client.call(server, KEY)
    assert not told.get("fault")
    assert re.fullmatch("[0-9a-f]{40}", told["id"])
    assert (int(told["error"]), told["sent"]) == (0, "1")
    row = server.sent(told["id"])
    assert (row["sms"], row["recipients"]) == (client.text, "32495898697")


@each_client
def test_wrong_key_is_seen_as_an_error(client: Client, server: RunningServer) -> None:
    told = client.call(server, "wrong")
    assert client.refusal in (told.get("fault") or told["error"])
    assert not told.get("id")


def test_what_the_vendors_page_sends_is_sent_by_the_device(server: RunningServer) -> None:
    told = Client(program="nusoap_client.php", path=WSDL, style="page").call(server, KEY)
    wait_until(lambda: server.sent(told["id"])["send_from_mobile"] == 1)
