"""Keys that sign are taken, others are refused with one line that names the file; records say what verifiers need."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from dkim import evaluate_pk

from mailtui.errors import ConfigError
from mailtui.trust.keys import Algorithm, SigningKey, keygen, load_key, record, zone_line

PEM, PKCS1 = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL
PKCS8, CLEAR = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
SECRET = serialization.BestAvailableEncryption(b"secret")

# Made for this test and used for nothing else: no current library makes a key this small.
RSA_512 = b"""-----BEGIN PRIVATE KEY-----
MIIBVAIBADANBgkqhkiG9w0BAQEFAASCAT4wggE6AgEAAkEA7O1gQb8RveMjq8BO
0vNfWFWKbxZdb1hr3WTXwR/WdFB1D9zTNLk0MkF6CNO6Aw1Q73mBCHkn2TRt9P8x
5rFnyQIDAQABAkEAphhjerPwRCaQQz+2Ar0LAmo1els7dWuPcs3XU1R2i2Litg6L
NNVbPUCH9QX9Xy8PLepzH3ed3KrOKsQ2hoeYAQIhAP3qs0ayzdynwLmFIoGkGKtO
sTN+0K4fIlpgHGEgXlkhAiEA7t7+H/I0ABzqAvJAkDOO+m2wcu0i8M9fzR7V4Zvx
cakCIHdxqYXPZNGwxBNBUpsjg0tKiEcOF8Jg+PsEjTUPUfKhAiAKflNNlfdA1gRV
ssyxSQKL78ujkNVLHOEJgsREj/QwWQIgTkMCTIqD4aIg+Zlr5BmEuhfQP4iQowGL
4HGxFndKNUo=
-----END PRIVATE KEY-----
"""


@pytest.fixture(scope="module")
def rsa_1024() -> bytes:
    return generate_private_key(65537, 1024).private_bytes(PEM, PKCS1, CLEAR)


def put(folder: Path, pem: bytes, mode: int = 0o600) -> Path:
    path = folder / "key.pem"
    path.write_bytes(pem)
    path.chmod(mode)
    return path


def refusal(path: Path, algorithm: str | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_key(path, algorithm)
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and "\n" not in text
    return text


@pytest.mark.parametrize("algorithm", ["rsa-sha256", "ed25519-sha256"])
def test_a_new_key_loads_with_either_line_end_and_any_closed_mode(tmp_path: Path, algorithm: Algorithm) -> None:
    pem, published = keygen(algorithm)
    for text in (pem, pem.replace(b"\n", b"\r\n")):
        for mode in (0o600, 0o640, 0o400):
            key = load_key(put(tmp_path, text, mode), algorithm)
            assert (key.algorithm, record(key), key.weakness) == (algorithm, published, "")
            (tmp_path / "key.pem").unlink()


def test_the_algorithm_comes_from_the_key_when_none_is_asked_for(tmp_path: Path) -> None:
    path = put(tmp_path, keygen("ed25519-sha256")[0])
    assert load_key(path).algorithm == load_key(path, "").algorithm == "ed25519-sha256"
    assert "expected a key for rsa-sha256, found one for ed25519-sha256" in refusal(path, "rsa-sha256")


def test_traditional_rsa_loads_and_1024_bits_are_called_weak(tmp_path: Path, rsa_1024: bytes) -> None:
    key = load_key(put(tmp_path, rsa_1024))
    assert key.bits == 1024
    assert key.weakness.startswith("1024-bit RSA is weak")


def test_fewer_than_1024_bits_are_refused(tmp_path: Path) -> None:
    assert "512-bit RSA key; expected at least 1024" in refusal(put(tmp_path, RSA_512))


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o601])
def test_a_file_open_to_every_user_is_refused(tmp_path: Path, mode: int) -> None:
    assert f"(mode {mode:04o}); expected 0600" in refusal(put(tmp_path, keygen("ed25519-sha256")[0], mode))


@pytest.mark.parametrize("form", [PKCS1, PKCS8])
def test_an_encrypted_key_is_refused(tmp_path: Path, form: serialization.PrivateFormat) -> None:
    pem = generate_private_key(65537, 1024).private_bytes(PEM, form, SECRET)
    assert "encrypted" in refusal(put(tmp_path, pem))


@pytest.mark.parametrize("junk", [b"", b"junk", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_is_refused(tmp_path: Path, junk: bytes) -> None:
    assert "not a usable private key; expected RSA or ed25519 in PEM" in refusal(put(tmp_path, junk))


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(PEM, PKCS8, CLEAR)
    assert "another kind; expected RSA or ed25519" in refusal(put(tmp_path, pem))


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "absent.pem")
    assert "not a regular file" in refusal(tmp_path) or "Is a directory" in refusal(tmp_path)


def test_no_key_shows_in_a_repr(tmp_path: Path) -> None:
    assert repr(load_key(put(tmp_path, keygen("ed25519-sha256")[0]))) == "SigningKey(ed25519-sha256, 256 bits)"


def test_rsa_records_are_read_by_dkimpy(rsa_1024: bytes, tmp_path: Path) -> None:
    key = load_key(put(tmp_path, rsa_1024))
    public, bits, kind, _ = evaluate_pk(b"name", record(key).encode())
    assert (bits, kind) == (1024, b"rsa")
    assert public["modulus"] == key.private.public_key().public_numbers().n  # type: ignore[union-attr]


def test_ed25519_records_carry_the_raw_32_octets() -> None:
    found = re.fullmatch(r"v=DKIM1; k=ed25519; p=(\S{44})", keygen("ed25519-sha256")[1])
    assert found and len(base64.b64decode(found[1])) == 32


def test_a_zone_line_holds_strings_of_at_most_255_octets() -> None:
    text = keygen("rsa-sha256")[1]
    line = zone_line("example.org", "s1", text)
    assert line.startswith('s1._domainkey.example.org. IN TXT ( "v=DKIM1; k=rsa; p=') and line.endswith('" )')
    strings = re.findall(r'"([^"]*)"', line)
    assert len(strings) == 2 and max(map(len, strings)) == 255 and "".join(strings) == text


@pytest.mark.peers
def test_opendkim_makes_keys_that_load(tmp_path: Path) -> None:
    if not shutil.which("opendkim-genkey"):
        pytest.skip("opendkim-genkey is not installed (Debian: opendkim-tools)")
    subprocess.run(["opendkim-genkey", "-b", "2048", "-D", tmp_path, "-d", "example.org", "-s", "s1"], check=True)
    key = load_key(tmp_path / "s1.private")
    assert isinstance(key, SigningKey) and key.bits == 2048
    published = "".join(re.findall(r'"([^"]*)"', (tmp_path / "s1.txt").read_text()))
    assert record(key).partition("p=")[2] == published.partition("p=")[2]
