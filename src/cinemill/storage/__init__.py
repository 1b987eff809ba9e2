"""Rows and files, behind interfaces that a managed server or object storage can also implement."""
