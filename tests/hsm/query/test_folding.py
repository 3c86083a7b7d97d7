from hypothesis import given
from hypothesis import strategies as st

from hsm.query.folding import fold, fold_name


def test_case_accents_and_width_do_not_count() -> None:
    assert fold("Jérôme ÅNGSTRÖM") == "jerome angstrom"
    assert fold("STRASSE") == fold("Straße")
    assert fold("Ｗａｎｇ") == "wang"
    assert fold("Ёлка") == fold("елка")


def test_marks_that_are_letters_to_their_readers_stay() -> None:
    assert fold("が") != fold("か")
    assert fold("हिंदी") == "हिंदी"
    assert fold("ﾔﾏﾀﾞ") == fold("ヤマダ")


def test_separators_without_meaning_go() -> None:
    assert fold_name("Doe^John^^^") == fold_name("doe ^ JOHN") == "doe^john"
    assert fold_name("Doe^^^Dr.") == "doe^^^dr."
    assert fold_name("Yamada^Tarou=山田^太郎=") == "yamada^tarou=山田^太郎"
    assert fold_name("^^=") == ""


@given(st.text(max_size=30))
def test_folding_twice_changes_nothing_more(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert fold_name(fold_name(text)) == fold_name(text)
