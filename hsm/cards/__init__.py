"""Light previews of studies, kept on disk after the study itself has left it: a look needs no mount."""

from hsm.cards.maker import CardMaker, MakerSettings
from hsm.cards.shelf import Card, CardShelf

__all__ = ["Card", "CardMaker", "CardShelf", "MakerSettings"]
