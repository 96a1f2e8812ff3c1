"""Which of two classes is the crack, as far as their names say so beyond doubt.

A wrong guess makes a model that misses every crack; a question costs a moment. So a name counts
only where each of its words is understood.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from crackdet.data.folder_names import NEUTRAL_WORDS, segments, word_set, words

Side = int | None  # 0 sound, 1 cracked, None not understood

NAME_IT = 'name it with --positive NAME (in Python positive="NAME")'

# English first: words of other languages follow.
_ENGLISH = {
    "crack": "crack cracks cracked cracking",
    # Anything may be meant by these: they stand for the crack only where nothing else does.
    "flaw": """
        positive positives pos damage damages damaged defect defects defective fault faults faulty
        flaw flaws flawed anomaly anomalies anomalous abnormal bad ng nok broken fracture fractures
        fractured imperfect reject rejected
    """,
    "sound": """
        negative negatives neg sound intact healthy normal ok okay good flawless perfect clean
        background none
    """,
    "before": "no non not un without wo zero",  # turns the word that follows
    "behind": "free less absent absence",  # turns the word before
}
_OTHER_LANGUAGES = {
    "crack": """
        fissure fissures fissured fissuree fissurees lezarde lezardes
        riss risse rissen rissig gerissen scheur scheuren gescheurd
        grieta grietas agrietado agrietada fisura fisuras fisurado fisurada
        fissura fissuras fissurado fissurada trinca trincas trincado rachadura rachaduras
        crepa crepe crepato fessura fessure fessurato
        spricka sprickor sprucken revne revner sprekk sprekker halkeama halkeamat
        pekniecie pekniecia pekniec spekany trhlina trhliny trhlin
        трещина трещины трещин трещиной трещинами тріщина тріщини тріщин ρωγμή ρωγμές
        catlak catlaklar retak retakan شق شقوق ترک दरार दरारें รอยร้าว รอยแตก
        裂缝 裂縫 裂纹 裂紋 裂痕 开裂 開裂 龟裂 龜裂
        ひび ひび割れ ひびわれ ヒビ ヒビ割れ 亀裂 クラック 균열 크랙
    """,
    "flaw": """
        positiv positif positivo schaden beschädigt defekt schlecht dañado danado defecto defectuoso
        defeito danificado danneggiato difetto difettoso endommagé défaut défectueux beschadigd
        skadad uszkodzony повреждение повреждения дефект 缺陷 破损 損傷 欠陥 不良 결함 손상 불량
    """,
    "sound": """
        negativ negatif negativo intakt gesund unversehrt sain saine intacte sano intacto sadio
        integro intatto целый 正常 完好 良好 良品 健全 정상 양호 양품
    """,
    "before": """
        ohne kein keine keinen nicht sans sin sem não nao senza geen zonder utan ingen inga uden
        uten ilman bez без нет не tanpa tidak χωρίς بدون बिना ไม่มี 无 無 没有 沒有 未 非 무 비
    """,
    "behind": "frei fri fritt vrij siz s\u0131z suz yok нет ない なし 無し 없음 없는",
}

# What a name behind "no" or "un" is, when it is not a flaw: `sealed` and `unsealed` say nothing of
# cracks, `repaired` and `unrepaired` the opposite of what the rule would make of them.
_NO_FLAWS = word_set(
    """
    safe stable sure valid even level clear smooth plain clean new used seen known done finished
    complete repaired treated painted coated sealed reinforced maintained labeled labelled annotated
    tagged marked sorted checked verified reviewed tested processed edited cropped accepted approved
    passed pass loaded cured reacted wet dry old background none
    """
)

# What a word does in a name: "crack", "flaw", "sound", "before", "behind" or "neutral".
_KINDS = dict.fromkeys(NEUTRAL_WORDS, "neutral") | {
    word: kind
    for language in (_OTHER_LANGUAGES, _ENGLISH)
    for kind in ("behind", "before", "sound", "flaw", "crack")
    for word in word_set(language[kind])
}
_ENGLISH_WORDS = frozenset().union(*(word_set(_ENGLISH[k]) for k in ("crack", "flaw", "sound")))
_ENGLISH_NEGATIONS = word_set(_ENGLISH["before"])
# In words that are glued together short ones would be found by chance.
_GLUED = frozenset(
    word
    for word, kind in _KINDS.items()
    if not word.isascii() or kind == "before" or len(word) > (3 if kind == "neutral" else 2)
)

# SDNET2018's own: cracked and uncracked bridge Decks, Pavements and Walls.
_SDNET = {f"{side}{part}": (part, int(side == "c")) for side in "cu" for part in "dpw"}


@dataclass(frozen=True)
class Labels:
    """The classes of some pictures.

    Attributes:
        labels: For each picture 1 for cracked, 0 for sound; None where a label file leaves it out.
        class_names: Names of the classes 0 and 1.
        in_words: A sentence: what counts as cracked, and what as sound.
        remarks: Sentences on where the labels are from, and what they leave out.
        findings: Sentences on what is amiss: pictures without a label, labels without a picture.
    """

    labels: tuple[Side, ...]
    class_names: tuple[str, str]
    in_words: str
    remarks: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()


def sides_of(names: Sequence[str], parent: str = "") -> list[Side]:
    """Returns for each class name 1 where it means cracked, 0 where sound, None where unclear.

    - Vocabulary: `Cracks`, `uncracked`, `with crack`, `crack_free`, `NG` and `OK`, `Riss` and
      `rissfrei`, `裂缝` and `无裂缝`; every word of the name must be known.
    - Negation: of two names the one that says "no", "not", "non", "un", "without" or "free of" of
      the other is the sound one, whatever they are called: `spalling` and `no_spalling`.
    - SDNET2018's codes: `CD` beside `UD`, or `CD` in a folder `D`.
    - `damaged` and other words for any flaw mean the crack only when no other name does.

    Args:
        names: Names of classes that stand side by side.
        parent: The folder that they stand in.

    Example:

    >>> sides_of(["Non-Cracks", "Cracks"]), sides_of(["bridge", "wall"])
    ([0, 1], [None, None])
    """
    readings = [_reading(name) for name in names]
    sides: list[Side] = [side for side, _ in readings]
    cracked = sides.count(1)
    for index, (side, kind) in enumerate(readings):
        if side == 1 and kind == "flaw" and cracked > 1:
            sides[index] = None
    for index, name in enumerate(names):
        if sides[index] is None:
            sides[index] = _sdnet_side(name, names, parent)
    unclear = {
        "".join(_bare(name)): index
        for index, (name, side) in enumerate(zip(names, sides, strict=True))
        if side is None and _may_be_negated(name)
    }
    for whole, base in unclear.items():
        for negation in (*(word + whole for word in _ENGLISH_NEGATIONS), whole + "free"):
            if negation in unclear:
                sides[unclear[negation]], sides[base] = 0, 1
    return sides


def listed(names: Iterable[str], most: int = 10) -> str:
    """Returns names as a sentence shows them.

    Example:

    >>> listed(["b", "a"])
    "'a' and 'b'"
    """
    shown = list(map(repr, sorted(names)))
    if len(shown) > most:
        shown[most:] = [f"{len(shown) - most} more"]
    *head, last = shown
    return f"{', '.join(head)} and {last}" if head else last


def same_name(name: str) -> str:
    """Returns a name as names are compared: case and forms of Unicode do not count."""
    return unicodedata.normalize("NFC", name).casefold()


@cache
def _reading(name: str) -> tuple[Side, str]:
    """Returns the side of a name by its words, and the kind of word that says so."""
    found = {_read(words(name, camel_case=camel_case)) for camel_case in (True, False)}
    found.discard((None, ""))
    return found.pop() if len(found) == 1 else (None, "")


def _read(parts: tuple[str, ...]) -> tuple[Side, str]:
    unclear = (None, "")
    sides: list[int] = []
    kinds: set[str] = set()
    negation = ""
    for part in parts:
        pieces = (part,) if part in _KINDS else segments(part, _GLUED)
        if pieces is None:
            return unclear
        for piece in pieces:
            kind = _KINDS[piece]
            if kind == "behind":
                if negation or not sides:
                    return unclear
                sides[-1] = 1 - sides[-1]
            elif kind == "before":
                if negation:
                    return unclear
                negation = piece
            elif kind != "neutral":
                if negation and (_no_flaw(piece) or _two_languages(negation, piece)):
                    return unclear
                sides.append(int((kind != "sound") != bool(negation)))
                kinds.add(kind)
                negation = ""
    if negation or len(set(sides)) != 1:
        return unclear
    return sides[0], ("crack" if "crack" in kinds else kinds.pop())


def _two_languages(negation: str, word: str) -> bool:
    """Whether it is by chance a negation: in `SEM_crack` a microscope is meant, not "without"."""
    foreign = negation.isascii() and negation not in _ENGLISH_NEGATIONS
    return foreign and word in _ENGLISH_WORDS


def _sdnet_side(name: str, names: Sequence[str], parent: str) -> Side:
    code = name.casefold()
    if code not in _SDNET:
        return None
    part, side = _SDNET[code]
    partner = "cu"[side] + part
    beside = partner in (other.casefold() for other in names)
    return side if beside or parent.casefold() == part else None


def _bare(name: str) -> list[str]:
    """Returns the words that matter in a comparison, each in the singular."""
    return [_singular(word) for word in words(name) if word not in NEUTRAL_WORDS]


def _singular(word: str) -> str:
    return word.removesuffix("s") if len(word) > 3 and not word.endswith("ss") else word


def _may_be_negated(name: str) -> bool:
    """Whether "no" before a name that is not understood makes it the sound one."""
    bare = _bare(name)
    return len("".join(bare)) >= 4 and not any(map(_no_flaw, bare))


def _no_flaw(word: str) -> bool:
    return word in _NO_FLAWS or word.endswith(("able", "ible"))
