"""The examples of docs/proxies.md: no log of theirs has a query, and a phone's events come through. They are run in tests/interop."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "proxies.md"
UNITS = {"s": 1, "m": 60, "h": 3600}
WITH_QUERY = re.compile(r"\$(request|request_uri|args|query_string|arg_\w+|is_args|http_referer)\b")


def example(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert isinstance(found, str)
    return found


def block(text: str, head: str) -> str:
    """What stands between the braces after `head`."""
    rest = text[text.index(head) + len(head) :]
    depth = 0
    for at, character in enumerate(rest):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "}" and depth == 0:
            return rest[rest.index("{") + 1 : at]
    raise AssertionError(f"{head} has no end")


def directives(text: str, name: str) -> list[str]:
    return re.findall(rf"^\s*{name}\s+(.+?);?$", text, re.MULTILINE)


def test_nginx_writes_no_query_into_any_log() -> None:
    text = example("nginx")
    (log_format,) = directives(text, "log_format")
    name, form = log_format.split(" ", 1)
    assert not WITH_QUERY.search(form) and "$uri" not in form and "$dragoman_path" in form
    (secret,) = re.findall(r"^\s+~(\S+) \$1;$", block(text, "map $uri $dragoman_path "), re.MULTILINE)
    assert re.match(secret, "/mobile/v1/hooks/secret")[1] == "/mobile/v1/hooks/" and not re.match(secret, "/sendsms")
    assert [line.split()[-1] for line in directives(text, "access_log")] == [name]
    assert [line.split()[-1] for line in directives(text, "error_log")] == ["crit"]


def test_nginx_passes_on_what_is_needed() -> None:
    server = block(example("nginx"), "server ")
    headers = {line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in directives(server, "proxy_set_header")}
    assert headers == {
        "Connection": '""',
        "Host": "$http_host",
        "X-Forwarded-For": "$proxy_add_x_forwarded_for",
        "X-Forwarded-Proto": "$scheme",
    }
    assert directives(server, "proxy_http_version") == ["1.1"] and directives(server, "proxy_next_upstream") == ["off"]
    assert directives(server, "client_max_body_size") == ["1m"]
    assert directives(example("nginx"), "keepalive_timeout") == ["60s"], "less than the 75 s after which the front door closes"


def test_nginx_lets_a_phones_events_through() -> None:
    events = block(example("nginx"), "location ~ ^/(api/)?mobile/v1/events$ ")
    assert directives(events, "proxy_buffering") == ["off"]
    (waits,) = directives(events, "proxy_read_timeout")
    assert int(waits[:-1]) * UNITS[waits[-1]] >= 3600


def test_caddy_writes_no_query_into_any_log_and_lets_events_through() -> None:
    text = example("caddy")
    fields = block(block(text, "format filter "), "fields ")
    pattern, replacement = re.findall(r'request>uri regexp "(.*?)" "(.*?)"', fields)[0]
    replacement = replacement.replace("$1", r"\1")
    assert re.sub(pattern, replacement, "/sendsms?apikey=secret&message=x") == "/sendsms"
    assert re.sub(pattern, replacement, "/mobile/v1/hooks/secret?x=y") == "/mobile/v1/hooks/"
    assert "request>headers delete" in fields
    site = block(text, "sms.example.org ")
    assert re.search(r"^\tlog$", site, re.MULTILINE), "the site's log goes into the one that is filtered"
    assert directives(block(site, "reverse_proxy @events 127.0.0.1:8080 "), "flush_interval") == ["-1"]
    assert block(site, "request_body ").split() == ["max_size", "1MiB"]
