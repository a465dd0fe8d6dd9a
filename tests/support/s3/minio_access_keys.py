"""Access keys of a MinIO, by its administration API."""

from __future__ import annotations

import json
import secrets
from http import HTTPMethod

import httpx
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from stack.component import StackContext
from stack.components.minio import Minio
from stack.tls import tls_context

_KEY_BYTES = 32
_AES_GCM = b"\0"


class MinioAccessKeys:
    """Adds and deletes access keys of the stack's root user, who keeps its own."""

    def __init__(self, context: StackContext) -> None:
        self._address = f"{Minio(context).endpoint}/minio/admin/v3"
        self._verify = tls_context(context.ca_file)
        self._user = context.secrets.minio_root_user
        self._password = context.secrets.minio_root_password.get_secret_value()

    def add(self, access_key: str) -> str:
        """Add ``access_key``, and return its secret key. It may do what its user may."""
        secret_key = secrets.token_urlsafe(24)
        wanted = {"status": "enabled", "accessKey": access_key, "secretKey": secret_key}
        self._call(HTTPMethod.PUT, "add-service-account", _encrypt(json.dumps(wanted).encode(), self._password))
        return secret_key

    def delete(self, access_key: str) -> None:
        """Delete an access key: from now on, requests with it are refused."""
        self._call(HTTPMethod.DELETE, f"delete-service-account?accessKey={access_key}", b"")

    def _call(self, method: HTTPMethod, path: str, body: bytes) -> None:
        request = AWSRequest(method=method, url=f"{self._address}/{path}", data=body)
        S3SigV4Auth(Credentials(self._user, self._password), "s3", "us-east-1").add_auth(request)
        signed = request.prepare()
        headers = {name: str(value) for name, value in signed.headers.items()}
        with httpx.Client(verify=self._verify, timeout=30, trust_env=False) as client:
            client.request(method, signed.url, content=body, headers=headers).raise_for_status()


def _encrypt(content: bytes, password: str) -> bytes:
    """Encrypt what the administration API wants encrypted with the caller's own secret key.

    The form is that of MinIO's package ``secure-io/sio-go``, for a content of one fragment.
    """
    salt, nonce = secrets.token_bytes(32), secrets.token_bytes(8)
    key = Argon2id(salt=salt, length=_KEY_BYTES, iterations=1, lanes=4, memory_cost=64 * 1024).derive(password.encode())
    cipher = AESGCM(key)
    head = cipher.encrypt(nonce + (0).to_bytes(4, "little"), b"", b"")
    return salt + _AES_GCM + nonce + cipher.encrypt(nonce + (1).to_bytes(4, "little"), content, b"\x80" + head)
