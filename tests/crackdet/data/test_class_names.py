"""Which of two classes is the crack: names on the list, names that it does not hold, and doubt."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crackdet.data import class_names, folder_names
from crackdet.data.class_names import sides_of

UNDERSTOOD = [
    *("Cracks/Non-Cracks", "crack/normal", "crack/uncrack", "cracked/not_cracked"),
    *("with_crack/without_crack", "damaged/undamaged", "defect/good", "NG/OK", "bad/good"),
    *("crack_images/no_crack_images", "positive/negative", "CRACK/No Crack", "cracked/uncracked"),
    *("Crack/NoCrack", "cracked/UNcracked", "01_crack/02_none", "crack/none-crack", "NOK/OK"),
    *("cracks/free of cracks", "crack/crack_free", "crack/crackless", "crack/w_o_crack"),
    *("Cracked Concrete/Sound Concrete", "crack/background", "unsound/sound", "not_ok/ok"),
    *("crack/not_a_crack", "pos/neg", "CRACK/NOCRACK", "absence of cracks/cracks"),
    *("Riss/rissfrei", "Risse/ohne_Risse", "beschädigt/unbeschädigt", "fissure/sans_fissure"),
    *("fissuré/non_fissuré", "grieta/sin_grieta", "fissura/sem_fissura", "crepa/senza_crepa"),
    *("scheur/geen_scheur", "spricka/utan_spricka", "pęknięcie/bez_pęknięć", "çatlak/çatlak_yok"),
    *("трещины/без_трещин", "retak/tidak_retak", "裂缝/无裂缝", "有裂缝/没有裂缝"),
    *("ひび割れ有/ひび割れ無", "裂缝图片/无裂缝图片", "ρωγμή/χωρίς_ρωγμή"),
    *("ひび割れ/ひび割れなし", "クラックあり/クラックなし", "不良/良品", "균열/균열없음"),
    *("균열/무균열", "दरार/बिना_दरार", "รอยร้าว/ไม่มีรอยร้าว", "CD/UD", "cp/up", "Uw/Cw"),
]  # fmt: skip


def _cracked_first(pair: str) -> list[str]:
    names = pair.split("/")
    return names[::-1] if pair in ("absence of cracks/cracks", "Uw/Cw") else names


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("pair", UNDERSTOOD)
def test_the_crack_is_class_1_whatever_its_name(pair: str, form: str) -> None:
    names = [unicodedata.normalize(form, name) for name in _cracked_first(pair)]  # type: ignore[arg-type]
    assert sides_of(names) == [1, 0]
    assert sides_of(names[::-1]) == [0, 1]


IN_DOUBT = [
    *("bridge/wall", "a/b", "0/1", "class_1/class_2", "yes/no", "apples/pears", "clean/spalled"),
    # One says so, the other does not: guessing has a model learn nonsense.
    *("cracked/other", "crack/unknown", "crack/up", "crack/severe", "crack/repaired"),
    # No negation of a flaw.
    *("repaired/unrepaired", "sealed/unsealed", "stable/unstable", "labelled/unlabelled"),
    *("safe/unsafe", "clean/unclean", "acceptable/unacceptable"),
    # SDNET's codes without their partner.
    *("CD/UP", "CW/UD", "up/down", "ud/x"),
    # Two languages by chance (SEM is a microscope), two sides in one name, two negations.
    *("SEM_crack/SEM_sound", "crack_no_crack/x", "no_uncracked/x", "free/of"),
]  # fmt: skip


@pytest.mark.parametrize("pair", IN_DOUBT)
def test_what_is_not_understood_is_not_guessed(pair: str) -> None:
    assert None in sides_of(pair.split("/"))
    assert None in sides_of(pair.split("/")[::-1])


@pytest.mark.parametrize("pair", ["crack/fissure", "positive/cracked", "sound/uncracked"])
def test_two_names_of_one_side_are_no_pair(pair: str) -> None:
    assert set(sides_of(pair.split("/"))) != {0, 1}


# Invented words: nothing of the vocabulary, nor glued from it.
_INVENTED = st.text("bcdfghjklmpqrtvwxz", min_size=4, max_size=9).filter(
    lambda word: not folder_names.segments(word, class_names._KINDS)
)


@settings(max_examples=60)
@given(
    base=_INVENTED,
    negation=st.sampled_from(
        ["no_{}", "No {}", "not-{}", "non{}", "un{}", "without_{}s", "free of {}", "{}-free"]
    ),
)
def test_a_name_behind_a_negation_is_the_sound_one(base: str, negation: str) -> None:
    assert sides_of([base, negation.format(base)]) == [1, 0]
    assert sides_of([f"{negation.format(base)}_images", f"{base}_images"]) == [0, 1]


@settings(max_examples=60)
@given(first=_INVENTED, second=_INVENTED)
def test_invented_names_raise_the_question(first: str, second: str) -> None:
    assert sides_of([first, second]) == [None, None]
    assert sides_of([f"no_{first}", second + second]) == [None, None]
    assert sides_of([f"crack_{first}", "sound"]) == [None, 0]


@settings(max_examples=60)
@given(st.data())
def test_words_of_the_list_are_understood_in_any_spelling(data: st.DataObject) -> None:
    word = data.draw(st.sampled_from(sorted(class_names._ENGLISH["crack"].split())))
    negation = data.draw(st.sampled_from(["no", "non", "not", "un", "without"]))
    separator = data.draw(st.sampled_from(["_", "-", " ", ".", "", "__"]))
    case = data.draw(st.sampled_from([str.lower, str.upper, str.title, str.capitalize]))
    number = data.draw(st.sampled_from(["", "2 ", "_7"]))
    assert sides_of([number + case(word), case(negation + separator + word)]) == [1, 0]


def test_codes_of_sdnet_count_in_its_own_layout_alone() -> None:
    assert sides_of(["CD"], "D") == [1]
    assert sides_of(["up"], "p") == [0]
    assert sides_of(["UP"], "D") == [None]
    assert sides_of(["up"], "cracked") == [None]
    assert sides_of(["CD", "CP", "CW", "UD", "UP", "UW"]) == [1, 1, 1, 0, 0, 0]


def test_words_for_any_flaw_mean_the_crack_only_where_nothing_else_does() -> None:
    assert sides_of(["damaged", "sound"]) == [1, 0]
    assert sides_of(["crack", "damaged", "sound"]) == [1, None, 0]
    assert sides_of(["bad", "defect", "good"]) == [None, None, 0]


def test_no_word_of_the_list_means_two_things() -> None:
    tables = (class_names._ENGLISH, class_names._OTHER_LANGUAGES)
    words = [w for table in tables for text in table.values() for w in folder_names.word_set(text)]
    twice = {word for word in words if words.count(word) > 1}
    assert not twice - {"нет"}
    assert not set(words) & folder_names.NEUTRAL_WORDS


@pytest.mark.parametrize(
    ("split", "names"),
    [
        ("train", "train train_set training_set TRAIN Training-Images trainset TrainData"),
        ("validation", "val valid Validation val_set valset VAL dev"),
        ("test", "test Testing_Images test_set TestSet TEST tests testimages"),
        ("", "crack test_crack train_no_crack contest latest interval set images train_test"),
    ],
)
def test_splits_are_read_out_of_names(split: str, names: str) -> None:
    for name in names.split():
        assert folder_names.split_of(name) == split
        assert folder_names.split_of(name.replace("_", " ")) == split
