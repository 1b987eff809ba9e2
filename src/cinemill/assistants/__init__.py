"""Searches, answers and moments as tools of assistants, by the Model Context Protocol (MCP).

A process of its own, which an assistant starts: it speaks MCP on stdin and stdout, and asks a
running server through the Python client, with the token of the user. Whose videos are found, the
server decides. Only ``server`` imports the protocol's library, which the extra ``mcp`` installs.
"""
