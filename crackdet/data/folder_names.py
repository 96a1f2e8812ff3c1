"""What the names of folders say, word by word: in any case, with any separator, glued together.

`words` takes a name apart. `class_names.py` reads classes out of the words, `split_of` splits.
"""

import re
import unicodedata
from collections.abc import Collection
from functools import cache


def fold(text: str) -> str:
    """Returns text as it is compared: no case, no accents, one form of Unicode.

    macOS writes accents as characters of their own; they are equal to the others here.
    """
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    bare = "".join(letter for letter in apart if not unicodedata.category(letter).startswith("M"))
    return unicodedata.normalize("NFC", bare)


def word_set(text: str) -> frozenset[str]:
    """Returns the folded words of a list that is written as one text."""
    return frozenset(fold(word) for word in text.split())


# Words beside a class or a split that say nothing of it: `crack_images`, `test set`.
NEUTRAL_WORDS = word_set(
    """
    image images img imgs picture pictures pic pics photo photos jpg jpeg png sample samples
    example examples patch patches tile tiles crop crops frame frames data dataset set sets folder
    files class label type category
    concrete wall walls surface surfaces deck decks bridge bridges pavement pavements slab slabs
    facade the an any of with has have having contains containing present visible detected found
    bild bilder foto fotos imagen imagenes imagem imagens immagine immagini obrazy
    beton hormigon concreto calcestruzzo betong бетон mit avec con com med met
    图 图片 图像 照片 样本 表面 类 的 有 混凝土
    画像 写真 の あり 有り コンクリート 이미지 사진 표면 있음 콘크리트
    """
)

_SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validating", "dev"), "validation"),
    **dict.fromkeys(("test", "tests", "testing"), "test"),
}

# What a split's name may be glued to: `trainset`. "con" is not among them: `contest`.
_SPLIT_VOCABULARY = frozenset(_SPLIT_WORDS) | word_set("set sets data dataset image images photos")

# Several words that mean one.
_PHRASES = (
    (re.compile(r"\b(?:w o|free (?:of|from)|absence of)\b"), "without"),
    (re.compile(r"\bnone(?= .)"), "no"),
    (re.compile(r"\bnot an?\b"), "not"),
    (re.compile(r"(?<=.)[無无]\b"), "なし"),
)


def words(name: str, *, camel_case: bool = True) -> tuple[str, ...]:
    """Returns the folded words of a name; digits and signs part words and are dropped.

    Example:

    >>> words("02-NoCrack (images)")
    ('no', 'crack', 'images')
    """
    text = unicodedata.normalize("NFKC", name)
    if camel_case:
        text = "".join(
            f" {letter}" if _begins_a_word(text, index) else letter
            for index, letter in enumerate(text)
        )
    line = " ".join(re.findall(r"[^\W\d_]+", fold(text)))
    for phrase, word in _PHRASES:
        line = phrase.sub(word, line)
    return tuple(line.split())


def segments(word: str, vocabulary: Collection[str]) -> tuple[str, ...] | None:
    """Returns the fewest words of a vocabulary that a glued word is made of, or None.

    Example:

    >>> segments("nocrack", {"no", "crack", "rack"})
    ('no', 'crack')
    """
    best: list[tuple[str, ...] | None] = [(), *[None] * len(word)]
    for end in range(1, len(word) + 1):
        for start in range(end):
            head, piece = best[start], word[start:end]
            if head is None or piece not in vocabulary:
                continue
            if best[end] is None or len(head) + 1 < len(best[end] or ()):
                best[end] = (*head, piece)
    return best[-1]


@cache
def split_of(name: str) -> str:
    """Returns "train", "validation" or "test" where a folder's name says so, else "".

    Example:

    >>> split_of("Testing Images"), split_of("val_set"), split_of("test_bridge")
    ('test', 'validation', '')
    """
    found = set()
    for word in words(name, camel_case=not name.isupper()):
        pieces = (word,) if word in NEUTRAL_WORDS else segments(word, _SPLIT_VOCABULARY)
        if pieces is None:
            return ""
        found |= {_SPLIT_WORDS[piece] for piece in pieces if piece in _SPLIT_WORDS}
    return found.pop() if len(found) == 1 else ""


def _begins_a_word(text: str, index: int) -> bool:
    """Whether a capital letter begins a word inside a name: `noCrack`, `NGImages`."""
    if index == 0 or not text[index].isupper():
        return False
    return text[index - 1].islower() or (
        text[index - 1].isupper() and text[index + 1 : index + 2].islower()
    )
