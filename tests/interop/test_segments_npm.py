"""Segment counts held against sms-segments-calculator from npm, with the two places where it is not the standard spelled out."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import pytest

from service.segments import BASIC, EXTENDED, count, encoding_of, forcing

PACKAGE = "sms-segments-calculator"
VERSION = "1.3.0"
FOLDER = Path(__file__).parent / ".cache" / "segments"
PROGRAM = """
const { SegmentedMessage } = require('sms-segments-calculator');
const texts = JSON.parse(require('fs').readFileSync(0, 'utf8'));
console.log(JSON.stringify(texts.map(text => {
    const message = new SegmentedMessage(text);
    return [message.encodingName, message.segmentsCount, message.getNonGsmCharacters().join('')];
})));
"""
Told = tuple[str, int, str]


@pytest.fixture(scope="module")
def folder() -> Path:
    installed = FOLDER / "node_modules" / PACKAGE / "package.json"
    if not installed.exists() or json.loads(installed.read_text())["version"] != VERSION:
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(FOLDER)]
        subprocess.run(["npm", "install", *options, f"{PACKAGE}@{VERSION}"], check=True, capture_output=True)
    return FOLDER


def theirs(folder: Path, texts: list[str]) -> list[Told]:
    done = subprocess.run(["node", "-e", PROGRAM], cwd=folder, input=json.dumps(texts), capture_output=True, check=True, encoding="utf-8")
    return [tuple(told) for told in json.loads(done.stdout)]


def ours(text: str) -> Told:
    return encoding_of(text).value, count(text), forcing(text)


def test_every_character_of_the_basic_plane_has_the_same_encoding(folder: Path) -> None:
    chars = [chr(c) for c in range(1, 0x10000) if not 0xD800 <= c < 0xE000]
    assert [ours(char)[0] for char in chars] == [told[0] for told in theirs(folder, chars)]


def test_texts_have_the_same_number_of_segments(folder: Path) -> None:
    rng = random.Random(3)
    alphabets = [BASIC, BASIC + EXTENDED, EXTENDED, BASIC + "яç漢", "ab漢😀", "😀🚀"]
    texts = ["", *("".join(rng.choices(rng.choice(alphabets), k=rng.randint(1, 700))) for _ in range(600))]
    edges = [char * n for char in "a€я😀" for n in (35, 36, 67, 70, 71, 76, 77, 80, 81, 134, 153, 154, 160, 161, 306, 307)]
    told = theirs(folder, texts + edges)
    assert [ours(text)[:2] for text in texts + edges] == [t[:2] for t in told]


def test_it_keeps_a_grapheme_in_one_part_but_a_radio_message_is_cut_between_characters(folder: Path) -> None:
    family = "👩\u200d👩\u200d👧\u200d👦"
    text = "я" * 60 + family + "я" * 60  # 131 units; two parts hold 134
    assert theirs(folder, [text])[0][:2] == ("UCS-2", 3)
    assert ours(text)[:2] == ("UCS-2", 2)


def test_it_names_what_forces_ucs2_each_time_and_by_grapheme_but_we_once_and_by_character(folder: Path) -> None:
    assert theirs(folder, ["ççe\u0301"])[0] == ("UCS-2", 1, "ççe\u0301")
    assert ours("ççe\u0301") == ("UCS-2", 1, "ç\u0301")
