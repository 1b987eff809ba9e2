"""What a talk of two subjects says, ten seconds a passage, for specifications of chapters."""

from __future__ import annotations

ROSES = (
    "Welcome to the garden, where the roses are in flower this week.",
    "Alice Walker planted the first roses in this garden twenty years ago.",
    "Every rose in the garden needs water in the morning, and good soil.",
    "The soil of this garden is heavy, so the roses were planted on a slope.",
    "In March you cut the roses back, and in May the garden is in flower.",
    "A white rose climbs the wall of the garden, and flowers until October.",
    "Water the roses at the root, for wet leaves make the flowers ill.",
    "The garden has two hundred roses, and no two flowers are the same.",
)
MONEY = (
    "Now to the bank, whose loans have become more expensive this year.",
    "Harbor Bank raised the interest on its loans, said Thomas Rossi.",
    "Anyone who borrows money from the bank pays four percent of interest.",
    "The interest on savings is lower, so the bank earns money on loans.",
    "A loan for a house is paid back to the bank over thirty years.",
    "Savings are safe: the state pays them back if a bank has no money.",
    "Thomas Rossi expects that the bank will lower its interest in June.",
    "Then loans are cheaper, and the savings in the bank earn less money.",
)
TALK = (*ROSES, *MONEY)
CHANGE_MS = 10_000 * len(ROSES)
"""When the second subject begins."""
