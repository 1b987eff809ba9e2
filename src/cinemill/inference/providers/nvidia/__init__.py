"""NVIDIA's vision models, and any server with the same chat interface.

Cosmos and VILA run behind NIM containers or NVIDIA's hosted API; frames as images work with every
OpenAI-compatible server whose model sees. A model says what it sees, never when: times are the
range that was sent.
"""
